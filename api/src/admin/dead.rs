use axum::{Json, extract::State};
use reelfleet_db::{JobFilter, User};
use reelfleet_job::{JobId, State as JobState};
use serde::{Deserialize, Serialize};

use super::{
    body::{ExplainedJob, JobBody, JobPage},
    jobs::page,
    show::explained,
};
use crate::{
    auth::Operator,
    http::{Body, Id, Query},
    problem::{Answer, Problem, codes, problems},
    state::AppState,
};

/// Jobs that are redriven by one statement each before the next page is read.
const PAGE: u32 = 100;

/// Which dead jobs.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeadQuery {
    /// 1 to 100; 20 if missing.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which dead jobs to redrive: all, or those named.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct RedriveBody {
    /// All that are dead now.
    #[serde(default)]
    all: bool,
    /// Ids.
    #[serde(default)]
    ids: Vec<String>,
}

impl RedriveBody {
    /// Every dead job.
    pub(crate) fn all() -> Self {
        Self { all: true, ids: Vec::new() }
    }
}

/// What a redrive came to.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RedrivenBody {
    /// Jobs that are due again.
    redriven: u64,
    /// Ids of those that were not dead.
    skipped: Vec<String>,
}

problems!(DeadProblems: BAD_QUERY);
problems!(OneDeadProblems: NOT_FOUND);
problems!(ChangeDeadProblems: NOT_FOUND, NOT_DEAD);
problems!(RedriveProblems: BAD_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE);

/// Dead jobs, newest first.
#[utoipa::path(get, path = "/api/admin/dead", tag = "operators", params(DeadQuery), security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of jobs.", body = JobPage), DeadProblems))]
pub(crate) async fn dead_jobs(
    State(state): State<AppState>,
    _: Operator,
    Query(query): Query<DeadQuery>,
) -> Answer<Json<JobPage>> {
    page(&state, Some(JobState::Dead), query.limit, query.cursor.as_deref()).await
}

/// One dead job, explained.
#[utoipa::path(get, path = "/api/admin/dead/{id}", tag = "operators", params(("id" = String, Path, description = "Id of the job.")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The job.", body = ExplainedJob), OneDeadProblems))]
pub(crate) async fn dead_job(
    State(state): State<AppState>,
    _: Operator,
    Id(id): Id<JobId>,
) -> Answer<Json<ExplainedJob>> {
    let job = state.db.job(id).await?.filter(|job| job.state == JobState::Dead);
    Ok(Json(explained(&state, job.ok_or_else(Problem::not_found)?).await?))
}

/// Makes a dead job due again, with its attempts reset.
#[utoipa::path(post, path = "/api/admin/dead/{id}/redrive", tag = "operators", params(("id" = String, Path, description = "Id of the job.")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The job, due again.", body = JobBody), ChangeDeadProblems))]
pub(crate) async fn redrive(
    State(state): State<AppState>,
    Operator(operator): Operator,
    Id(id): Id<JobId>,
) -> Answer<Json<JobBody>> {
    let changed = redrive_one(&state, id, &operator).await?;
    answer(&state, id, changed).await
}

/// Gives a dead job up for good.
#[utoipa::path(post, path = "/api/admin/dead/{id}/discard", tag = "operators", params(("id" = String, Path, description = "Id of the job.")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The job, cancelled.", body = JobBody), ChangeDeadProblems))]
pub(crate) async fn discard(
    State(state): State<AppState>,
    Operator(operator): Operator,
    Id(id): Id<JobId>,
) -> Answer<Json<JobBody>> {
    let actor = operator.id.to_string();
    let changed = state.db.discard(id, &actor).await?;
    if changed {
        tracing::info!(%id, actor, "a dead job was discarded");
    }
    answer(&state, id, changed).await
}

/// Makes dead jobs due again, all or those named.
#[utoipa::path(post, path = "/api/admin/dead/redrive", tag = "operators", request_body = RedriveBody,
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "How many are due again.", body = RedrivenBody), RedriveProblems))]
pub(crate) async fn redrive_some(
    State(state): State<AppState>,
    Operator(operator): Operator,
    Body(which): Body<RedriveBody>,
) -> Answer<Json<RedrivenBody>> {
    let mut came_to = RedrivenBody { redriven: 0, skipped: Vec::new() };
    match (which.all, which.ids.is_empty()) {
        (true, true) => redrive_all(&state, &operator, &mut came_to).await?,
        (false, false) => {
            for id in which.ids {
                let redriven = match id.parse() {
                    Ok(id) => redrive_one(&state, id, &operator).await?,
                    Err(_no_id) => false,
                };
                if redriven { came_to.redriven += 1 } else { came_to.skipped.push(id) }
            }
        }
        _ => {
            return Err(Problem::new(&codes::BAD_JSON, "Give either `all` or some `ids`."));
        }
    }
    Ok(Json(came_to))
}

/// Goes from the newest to the oldest once, so that jobs that die again meanwhile are left alone.
async fn redrive_all(state: &AppState, operator: &User, came_to: &mut RedrivenBody) -> Answer<()> {
    let mut filter = JobFilter { state: Some(JobState::Dead), limit: PAGE, before: None };
    loop {
        let page = state.db.jobs(&filter).await?;
        for job in &page.rows {
            if redrive_one(state, job.id, operator).await? {
                came_to.redriven += 1;
            } else {
                came_to.skipped.push(job.id.to_string());
            }
        }
        filter.before = page.rows.last().map(|job| job.id);
        if !page.more {
            return Ok(());
        }
    }
}

async fn redrive_one(state: &AppState, id: JobId, operator: &User) -> Answer<bool> {
    let actor = operator.id.to_string();
    let redriven = state.db.redrive(id, &actor).await?;
    if redriven {
        tracing::info!(%id, actor, "a dead job was redriven");
    }
    Ok(redriven)
}

/// The job as it is now, if it was changed.
async fn answer(state: &AppState, id: JobId, changed: bool) -> Answer<Json<JobBody>> {
    let job = state.db.job(id).await?.ok_or_else(Problem::not_found)?;
    if changed {
        Ok(Json((&job).into()))
    } else {
        Err(Problem::new(&codes::NOT_DEAD, format!("The job is {}, not dead.", job.state)))
    }
}
