use axum::extract::State;
use reelfleet_db::{JobFilter, WorkerState};
use reelfleet_job::{Kind, Lane, State as JobState};
use serde::Serialize;

use super::visitor::{FINE, OperatorVisitor, Page};
use crate::{
    admin::{JobBody, QueueBody, WorkerBody, queue},
    auth::Operator,
    state::AppState,
};

/// Jobs of one state on the page that shows the whole fleet.
const AT_ONCE: u32 = 20;

#[derive(Serialize)]
struct Fleet {
    lanes: Vec<String>,
    queue: QueueBody,
    workers: Vec<WorkerBody>,
    jobs: Vec<JobBody>,
    more_jobs: bool,
    dead: Vec<JobBody>,
    more_dead: bool,
}

/// The whole fleet on one page.
pub(super) async fn operate(
    State(state): State<AppState>,
    OperatorVisitor(visitor): OperatorVisitor,
) -> Page {
    let queue = queue(State(state.clone()), Operator(visitor.user.clone())).await?;
    let workers = state.db.workers(state.config.worker_silent).await?;
    let mut jobs = Vec::new();
    let mut more_jobs = false;
    for wanted in [JobState::Running, JobState::Queued, JobState::Scheduled] {
        let page = of_state(&state, wanted).await?;
        jobs.extend(page.rows.iter().map(JobBody::from));
        more_jobs |= page.more;
    }
    let dead = of_state(&state, JobState::Dead).await?;
    let fleet = Fleet {
        lanes: Kind::ALL.into_iter().flat_map(Lane::of).map(|lane| lane.to_string()).collect(),
        queue: queue.0,
        workers: workers.iter().filter(|w| w.state != WorkerState::Gone).map(Into::into).collect(),
        jobs,
        more_jobs,
        dead: dead.rows.iter().map(Into::into).collect(),
        more_dead: dead.more,
    };
    Ok(visitor.pages.show(FINE, "operate.html", Some(&visitor.user), "operate", fleet)?)
}

async fn of_state(
    state: &AppState,
    wanted: JobState,
) -> reelfleet_db::Result<reelfleet_db::Page<reelfleet_db::Job>> {
    let filter = JobFilter { state: Some(wanted), limit: AT_ONCE, before: None };
    state.db.jobs(&filter).await
}
