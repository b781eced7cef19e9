use axum::{Json, extract::State};
use reelfleet_db::Job;
use reelfleet_job::{JobId, State as JobState};

use super::{
    body::ExplainedJob,
    explain::{Known, explain},
};
use crate::{
    auth::{Operator, SignedIn},
    http::Id,
    ops::slots,
    problem::{Answer, Problem, problems},
    state::AppState,
};

problems!(ShowJobProblems: NOT_FOUND);

/// One job, explained.
#[utoipa::path(get, path = "/api/admin/jobs/{id}", tag = "operators", params(("id" = String, Path, description = "Id of the job.")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The job.", body = ExplainedJob), ShowJobProblems))]
pub(crate) async fn job(
    State(state): State<AppState>,
    _: Operator,
    Id(id): Id<JobId>,
) -> Answer<Json<ExplainedJob>> {
    let job = state.db.job(id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(explained(&state, job).await?))
}

/// The job of one of your videos, explained. Operators see everybody's.
#[utoipa::path(get, path = "/api/jobs/{id}", tag = "videos", params(("id" = String, Path, description = "Id of the job.")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The job.", body = ExplainedJob), ShowJobProblems))]
pub(crate) async fn own_job(
    State(state): State<AppState>,
    signed_in: SignedIn,
    Id(id): Id<JobId>,
) -> Answer<Json<ExplainedJob>> {
    let job = state.db.job(id).await?;
    let job = job.filter(|job| job.owner == signed_in.user.id || signed_in.is_operator());
    Ok(Json(explained(&state, job.ok_or_else(Problem::not_found)?).await?))
}

/// A job with its history, and why it is where it is.
pub(super) async fn explained(state: &AppState, job: Job) -> Answer<ExplainedJob> {
    let attempts = state.db.attempts(job.id).await?;
    let backlog = state.db.backlog().await?;
    let workers = state.db.workers(state.config.worker_silent).await?;
    let waits = matches!(job.state, JobState::Scheduled | JobState::Queued);
    let ahead = if waits { Some(state.db.ahead_of(job.id).await?) } else { None };
    let known = Known {
        ahead: ahead.unwrap_or(0),
        running: backlog.running,
        slots: slots(&workers),
        mean_run_s: backlog.mean_run_s,
    };
    let (explanation, end) = explain(&job, known, state.clock.now());
    Ok(ExplainedJob {
        attempts_history: attempts.iter().map(Into::into).collect(),
        ahead,
        explanation,
        expected_end_at: end.map(|at| at.to_string()),
        job: (&job).into(),
    })
}
