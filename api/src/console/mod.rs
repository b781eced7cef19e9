//! The web console: server-rendered pages over the same records as the API.
//!
//! ```text
//! GET page ─► Visitor ─► view (rows as pages need them) ─► Pages (templates) ─► HTML
//! POST form ─► Visitor ─► the same records ─► 303 back
//!     a refusal on the way ─► dress: a page that says so
//! ```
//!
//! Pages work without scripts for all but uploading. The scripts in `static/`
//! keep them up to date by fetching them again, so markup is made here only.

mod assets;
mod door;
mod filters;
mod jobs;
mod list;
mod operate;
mod pages;
mod view;
mod visitor;
mod watch;

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};

use crate::state::AppState;
use assets::Assets;
use pages::Pages;

/// No form of the console is larger.
const LARGEST_FORM: usize = 16 * 1024;

/// The console's pages, merged into the one router. `media` is where videos come from beside
/// ourselves.
pub(crate) fn router(media: Option<&str>) -> Router<AppState> {
    let pages = Pages::new();
    let dressing = (pages.clone(), visitor::Policy::with(media));
    Router::new()
        .route("/", get(list::list))
        .route("/sign-in", get(door::sign_in_page).post(door::sign_in_form))
        .route("/sign-in/{token}", get(door::link))
        .route("/sign-out", post(door::leave))
        .route("/sign-up", get(door::sign_up_page).post(door::sign_up_form))
        .route("/videos/{id}", get(watch::watch))
        .route("/videos/{id}/cancel", post(watch::cancel))
        .route("/videos/{id}/delete", post(watch::delete))
        .route("/operate", get(operate::operate))
        .route("/operate/jobs", get(jobs::jobs))
        .route("/operate/jobs/{id}", get(jobs::job))
        .route("/operate/jobs/{id}/cancel", post(jobs::cancel))
        .route("/operate/dead/redrive", post(jobs::redrive_all))
        .route("/operate/dead/{id}/redrive", post(jobs::redrive))
        .route("/operate/dead/{id}/discard", post(jobs::discard))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(middleware::from_fn_with_state(dressing, visitor::dress))
        .layer(Extension(pages))
        .route("/static/{name}", get(assets::asset))
        .route("/favicon.ico", get(assets::icon))
        .layer(Extension(Assets::new()))
}
