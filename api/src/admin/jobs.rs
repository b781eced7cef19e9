use axum::{Json, extract::State, http::StatusCode};
use reelfleet_db::JobFilter;
use reelfleet_job::{JobId, State as JobState};
use serde::Deserialize;

use super::body::{JobBody, JobPage};
use crate::{
    auth::Operator,
    http::{Id, Query, bad_query, page_limit},
    problem::{Answer, Problem, problems},
    state::AppState,
    video::already_finished,
};

/// Which jobs.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobsQuery {
    /// `scheduled`, `queued`, `running`, `done`, `dead` or `cancelled`; all if missing.
    state: Option<String>,
    /// 1 to 100; 20 if missing.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

problems!(JobsProblems: BAD_QUERY);
problems!(CancelJobProblems: NOT_FOUND, ALREADY_FINISHED);

/// Jobs of all users, newest first.
#[utoipa::path(get, path = "/api/admin/jobs", tag = "operators", params(JobsQuery), security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of jobs.", body = JobPage), JobsProblems))]
pub(crate) async fn jobs(
    State(state): State<AppState>,
    _: Operator,
    Query(query): Query<JobsQuery>,
) -> Answer<Json<JobPage>> {
    let wanted = query.state.as_deref().filter(|state| !state.is_empty());
    let wanted = wanted.map(str::parse::<JobState>).transpose().map_err(bad_query)?;
    page(&state, wanted, query.limit, query.cursor.as_deref()).await
}

/// A page of jobs in one state, or in any.
pub(super) async fn page(
    state: &AppState,
    wanted: Option<JobState>,
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Answer<Json<JobPage>> {
    let before = cursor.map(str::parse::<JobId>).transpose();
    let filter = JobFilter {
        state: wanted,
        limit: page_limit(limit)?,
        before: before.map_err(|_no_id| bad_query("`cursor` is none of ours"))?,
    };
    Ok(Json((&state.db.jobs(&filter).await?).into()))
}

/// Asks to stop a job, whoever owns it.
#[utoipa::path(post, path = "/api/admin/jobs/{id}/cancel", tag = "operators", params(("id" = String, Path, description = "Id of the job.")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 202, description = "The job, cancelled or about to be.", body = JobBody), CancelJobProblems))]
pub(crate) async fn cancel(
    State(state): State<AppState>,
    Operator(operator): Operator,
    Id(id): Id<JobId>,
) -> Answer<(StatusCode, Json<JobBody>)> {
    let before = state.db.job(id).await?.ok_or_else(Problem::not_found)?;
    if before.state.is_closed() {
        return Err(already_finished());
    }
    let actor = operator.id.to_string();
    let job = state.db.cancel_job(id, &actor).await?.ok_or_else(Problem::not_found)?;
    // It may have closed in between: then there is nothing to cancel.
    if job.state.is_closed() && job.state != JobState::Cancelled {
        return Err(already_finished());
    }
    tracing::info!(%id, actor, "a job was cancelled by an operator");
    Ok((StatusCode::ACCEPTED, Json((&job).into())))
}
