use axum::{Json, extract::State, http::StatusCode};
use reelfleet_db::VideoFilter;
use reelfleet_job::{VideoId, VideoStatus};
use serde::{Deserialize, Serialize};

use super::{VideoBody, expected_at};
use crate::{
    auth::SignedIn,
    http::{Id, Query, bad_query, page_limit},
    problem::{Answer, Problem, codes, problems},
    state::AppState,
};

/// A profile that uploads may name.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ProfileBody {
    /// Name.
    name: String,
    /// What it makes.
    description: String,
}

/// Which videos.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// `queued`, `processing`, `ready`, `failed` or `cancelled`; all if missing.
    status: Option<String>,
    /// 1 to 100; 20 if missing.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of videos, newest first.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct VideoPage {
    /// The videos.
    videos: Vec<VideoBody>,
    /// For the next page; null on the last one.
    next_cursor: Option<String>,
}

problems!(ListProblems: BAD_QUERY);
problems!(ShowProblems: NOT_FOUND);
problems!(CancelProblems: NOT_FOUND, ALREADY_FINISHED);

/// Profiles that uploads may name.
#[utoipa::path(get, path = "/api/profiles", tag = "videos", security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The profiles.", body = Vec<ProfileBody>)))]
pub(crate) async fn profiles(State(state): State<AppState>, _: SignedIn) -> Json<Vec<ProfileBody>> {
    let profiles = state.config.profiles.iter().map(|profile| ProfileBody {
        name: profile.name.clone(),
        description: profile.description.clone(),
    });
    Json(profiles.collect())
}

/// Your videos, newest first.
#[utoipa::path(get, path = "/api/videos", tag = "videos", params(ListQuery), security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of videos.", body = VideoPage), ListProblems))]
pub(crate) async fn list(
    State(state): State<AppState>,
    SignedIn { user, .. }: SignedIn,
    Query(query): Query<ListQuery>,
) -> Answer<Json<VideoPage>> {
    let status = query.status.filter(|status| !status.is_empty());
    let status = status.map(|status| status.parse::<VideoStatus>()).transpose();
    let cursor = query.cursor.map(|cursor| cursor.parse::<VideoId>()).transpose();
    let filter = VideoFilter {
        status: status.map_err(bad_query)?,
        limit: page_limit(query.limit)?,
        before: cursor.map_err(|_no_id| bad_query("`cursor` is none of ours"))?,
    };
    let page = state.db.videos(user.id, &filter).await?;
    let last = page.rows.last().filter(|_| page.more);
    let expected = expected_at(&state, &page.rows).await;
    Ok(Json(VideoPage {
        next_cursor: last.map(|video| video.id.to_string()),
        videos: page.rows.iter().zip(expected).map(|(v, at)| VideoBody::expected(v, at)).collect(),
    }))
}

/// One of your videos.
#[utoipa::path(get, path = "/api/videos/{id}", tag = "videos", params(("id" = String, Path, description = "Id of the video.")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The video.", body = VideoBody), ShowProblems))]
pub(crate) async fn show(
    State(state): State<AppState>,
    SignedIn { user, .. }: SignedIn,
    Id(id): Id<VideoId>,
) -> Answer<Json<VideoBody>> {
    let video = state.db.video(user.id, id).await?.ok_or_else(Problem::not_found)?;
    let expected = expected_at(&state, [&video]).await.pop().flatten();
    Ok(Json(VideoBody::expected(&video, expected)))
}

/// Deletes one of your videos with its files, and cancels its job if it runs.
#[utoipa::path(delete, path = "/api/videos/{id}", tag = "videos", params(("id" = String, Path, description = "Id of the video.")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "It is gone."), ShowProblems))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    SignedIn { user, .. }: SignedIn,
    Id(id): Id<VideoId>,
) -> Answer<StatusCode> {
    if state.db.delete_video(user.id, id).await? {
        tracing::info!(%id, "a video was deleted by its owner");
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}

/// Asks to stop one of your videos.
#[utoipa::path(post, path = "/api/videos/{id}/cancel", tag = "videos", params(("id" = String, Path, description = "Id of the video.")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 202, description = "The video, cancelled or about to be.", body = VideoBody), CancelProblems))]
pub(crate) async fn cancel(
    State(state): State<AppState>,
    SignedIn { user, .. }: SignedIn,
    Id(id): Id<VideoId>,
) -> Answer<(StatusCode, Json<VideoBody>)> {
    let before = state.db.video(user.id, id).await?.ok_or_else(Problem::not_found)?;
    if before.status.is_final() {
        return Err(already_finished());
    }
    let video = state.db.cancel_video(user.id, id).await?.ok_or_else(Problem::not_found)?;
    // It may have become ready in between: then there is nothing to cancel.
    if video.status.is_final() && video.status != VideoStatus::Cancelled {
        return Err(already_finished());
    }
    tracing::info!(%id, "a video was cancelled by its owner");
    Ok((StatusCode::ACCEPTED, Json((&video).into())))
}

/// Too late to stop anything.
pub(crate) fn already_finished() -> Problem {
    Problem::new(&codes::ALREADY_FINISHED, "It has finished already.")
}
