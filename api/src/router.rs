use axum::{
    Router,
    extract::Request,
    middleware::{from_fn, from_fn_with_state},
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    admin, auth, console, docs,
    http::{limit_time, observe, panicked, secure},
    ops,
    problem::{Problem, codes},
    state::AppState,
    upload, video,
};

/// Calls that must answer soon, with their documentation.
fn prompt() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(docs::describe())
        .routes(routes!(auth::sign_up_call))
        .routes(routes!(auth::log_in))
        .routes(routes!(auth::me))
        .routes(routes!(auth::make_link))
        .routes(routes!(auth::change_password))
        .routes(routes!(video::profiles))
        .routes(routes!(video::list))
        .routes(routes!(video::show, video::delete))
        .routes(routes!(video::cancel))
        .routes(routes!(video::events))
        .routes(routes!(video::file))
        .routes(routes!(admin::own_job))
        .routes(routes!(admin::jobs))
        .routes(routes!(admin::job))
        .routes(routes!(admin::cancel))
        .routes(routes!(admin::make_noops))
        .routes(routes!(admin::queue))
        .routes(routes!(admin::workers))
        .routes(routes!(admin::dead_jobs))
        .routes(routes!(admin::dead_job))
        .routes(routes!(admin::redrive_some))
        .routes(routes!(admin::redrive))
        .routes(routes!(admin::discard))
        .routes(routes!(ops::health))
        .routes(routes!(ops::ready))
        .routes(routes!(ops::scrape))
}

/// Calls that take as long as their body does.
fn patient() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(upload::upload))
}

/// Every route, with what every request passes.
pub(crate) fn router(state: &AppState) -> Router {
    let (prompt, document) = prompt().split_for_parts();
    let (patient, uploads) = patient().split_for_parts();
    let document = docs::finish(document, uploads);
    let pages = Router::new()
        .merge(docs::router(&document))
        .merge(console::router(state.storage.signed_origin()));
    prompt
        .merge(pages)
        .layer(from_fn_with_state(state.clone(), limit_time))
        .merge(patient)
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(secure))
        .layer(from_fn_with_state(state.clone(), observe))
        .with_state(state.clone())
}

/// The document that describes the API.
#[must_use]
pub fn openapi_json() -> String {
    let document = docs::finish(prompt().into_openapi(), patient().into_openapi());
    docs::print(&document)
}

async fn no_such_route() -> Problem {
    Problem::not_found()
}

async fn no_such_method(request: Request) -> Problem {
    let detail = format!("{} is not for this address.", request.method());
    Problem::new(&codes::METHOD_NOT_ALLOWED, detail)
}
