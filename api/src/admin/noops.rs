use axum::{Json, extract::State, http::StatusCode};
use reelfleet_db::NewJob;
use reelfleet_job::{JobId, Payload, Priority};
use serde::{Deserialize, Serialize};

use crate::{
    auth::Operator,
    http::Body,
    problem::{Answer, Problem, codes, problems},
    state::AppState,
};

/// The most in one call.
const MOST: u32 = 1000;

/// How many jobs that do nothing.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct NoopsBody {
    /// 1 to 1000; 1 if missing.
    #[serde(default = "one")]
    count: u32,
    /// `high`, `normal` or `low`; `normal` if missing.
    priority: Option<String>,
}

fn one() -> u32 {
    1
}

/// The jobs that were recorded.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct MadeBody {
    /// Ids.
    jobs: Vec<String>,
}

problems!(NoopsProblems: BAD_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, UNKNOWN_PRIORITY);

/// Sends jobs that do nothing through the whole fleet, to see that it works and how fast.
#[utoipa::path(post, path = "/api/admin/noops", tag = "operators", request_body = NoopsBody,
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 202, description = "The jobs, accepted.", body = MadeBody), NoopsProblems))]
pub(crate) async fn make_noops(
    State(state): State<AppState>,
    Operator(operator): Operator,
    Body(wanted): Body<NoopsBody>,
) -> Answer<(StatusCode, Json<MadeBody>)> {
    if !(1..=MOST).contains(&wanted.count) {
        let detail = format!("`count` must be from 1 to {MOST}.");
        return Err(Problem::new(&codes::BAD_JSON, detail));
    }
    let priority = wanted.priority.as_deref().map_or(Ok(Priority::default()), str::parse);
    let priority: Priority =
        priority.map_err(|error| Problem::new(&codes::UNKNOWN_PRIORITY, error.to_string()))?;
    let new = |_| NewJob {
        id: JobId::generate(),
        payload: Payload::Noop,
        priority,
        owner: operator.id,
        max_attempts: state.config.max_attempts,
    };
    let jobs: Vec<_> = (0..wanted.count).map(new).collect();
    let ids = jobs.iter().map(|job| job.id.to_string()).collect();
    state.intake.submit(jobs).await.map_err(|error| Problem::from(&*error))?;
    Ok((StatusCode::ACCEPTED, Json(MadeBody { jobs: ids })))
}
