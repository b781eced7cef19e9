use axum::{Form, extract::State};
use reelfleet_job::VideoId;
use serde::{Deserialize, Serialize};

use super::{
    view::VideoView,
    visitor::{FINE, Page, Visitor, to},
};
use crate::{
    http::Id,
    problem::{Answer, Problem},
    state::AppState,
    video::expected_at,
};

#[derive(Serialize)]
struct Watch {
    video: VideoView,
}

/// Where to go after a form.
#[derive(Deserialize)]
pub(super) struct Back {
    back: Option<String>,
}

/// One video.
pub(super) async fn watch(
    State(state): State<AppState>,
    visitor: Visitor,
    id: Answer<Id<VideoId>>,
) -> Page {
    let Id(id) = id?;
    let video = state.db.video(visitor.user.id, id).await?.ok_or_else(Problem::not_found)?;
    let expected = expected_at(&state, [&video]).await.pop().flatten();
    let watch = Watch { video: VideoView::of(&video, expected) };
    Ok(visitor.pages.show(FINE, "video.html", Some(&visitor.user), "videos", watch)?)
}

/// Asks to stop a video. One that is final already shows so on the page that follows.
pub(super) async fn cancel(
    State(state): State<AppState>,
    visitor: Visitor,
    id: Answer<Id<VideoId>>,
    Form(form): Form<Back>,
) -> Page {
    let Id(id) = id?;
    state.db.cancel_video(visitor.user.id, id).await?.ok_or_else(Problem::not_found)?;
    tracing::info!(video = %id, "cancel was asked for in the console");
    Ok(if form.back.as_deref() == Some("list") { to("/") } else { to(&format!("/videos/{id}")) })
}

/// Deletes a video.
pub(super) async fn delete(
    State(state): State<AppState>,
    visitor: Visitor,
    id: Answer<Id<VideoId>>,
) -> Page {
    let Id(id) = id?;
    if !state.db.delete_video(visitor.user.id, id).await? {
        return Err(Problem::not_found().into());
    }
    tracing::info!(video = %id, "deleted in the console");
    Ok(to("/"))
}
