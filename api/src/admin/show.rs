use axum::{Json, extract::State};
use reelfleet_db::Job;
use reelfleet_job::{JobId, Payload, State as JobState};
use reelfleet_metric::{Observed, Waits, task_of};

use super::{
    body::ExplainedJob,
    explain::{Known, explain},
};
use crate::{
    auth::{Operator, SignedIn},
    http::Id,
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
    let observed = state.observer.recent().await?;
    let waits = matches!(job.state, JobState::Scheduled | JobState::Queued);
    let ahead = if waits { Some(state.db.ahead_of(job.id).await?) } else { None };
    let known = Known {
        ahead: ahead.unwrap_or(0),
        workers: observed.work.slots > 0,
        ..expected(state, &observed, &job).await?
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

/// When its turn comes, or when it is done. Of a job that has no video nobody knows.
async fn expected(state: &AppState, observed: &Observed, job: &Job) -> Answer<Known> {
    let Payload::Transcode { video, .. } = &job.payload else { return Ok(Known::default()) };
    let video =
        if job.state.is_closed() { None } else { state.db.video(job.owner, *video).await? };
    let Some(video) = video else { return Ok(Known::default()) };
    let task = task_of(&video);
    let (priority, due) = (job.priority, job.run_at);
    Ok(match (job.state, job.started_at) {
        (JobState::Running, Some(began)) => {
            Known { end: observed.expected_end(task, job.progress, began), ..Known::default() }
        }
        _ => Known {
            expected: observed.expected(&Waits { priority, task, due }),
            ..Known::default()
        },
    })
}
