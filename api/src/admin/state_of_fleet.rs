use axum::{Json, extract::State};
use reelfleet_db::{Backlog, LaneDepth, Worker, WorkerState};
use serde::Serialize;

use crate::{
    auth::Operator,
    ops::{depth, per_worker, slots},
    problem::Answer,
    state::AppState,
};

/// The queue and who works on it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct QueueBody {
    /// Whether the broker answers. Work that is accepted meanwhile is sent when it is back.
    broker_available: bool,
    /// Messages in the broker; none while it is away.
    lanes: Vec<LaneBody>,
    /// Letters in the broker's dead-letter queue; null while it is away.
    dead_letters: Option<u64>,
    /// Jobs in the database.
    backlog: BacklogBody,
    /// Workers.
    workers: WorkersCount,
    /// Jobs that the active workers take at a time.
    slots: u64,
    /// Waiting and running jobs by active worker, at least one.
    backlog_per_worker: f64,
    /// Seconds until all of it should be done; null while nobody works or nothing is known.
    expected_drain_s: Option<f64>,
}

/// Messages of one lane.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct LaneBody {
    /// `kind-priority`.
    lane: String,
    /// Ready to be delivered.
    ready: u64,
    /// Delivered, not acknowledged.
    in_flight: u64,
}

/// Jobs by state.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BacklogBody {
    /// Not due yet.
    scheduled: u64,
    /// Due, waiting for a worker.
    waiting: u64,
    /// In a worker's hands.
    running: u64,
    /// Gave up.
    dead: u64,
    /// Waiting and running.
    total: u64,
    /// Age of the job that has waited longest, seconds.
    oldest_waiting_s: f64,
    /// Mean time from claim to close of the last finished jobs, seconds.
    mean_run_s: Option<f64>,
}

/// Workers by state.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct WorkersCount {
    /// Take jobs.
    active: u64,
    /// Take no more.
    draining: u64,
}

/// Workers heard of lately.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct WorkersBody {
    /// Active ones first.
    workers: Vec<WorkerBody>,
}

/// A worker.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct WorkerBody {
    /// Id of this run.
    id: String,
    /// Machine.
    host: String,
    /// Process.
    pid: u32,
    /// `active`, `draining` or `gone`.
    state: &'static str,
    /// Jobs at a time.
    concurrency: u32,
    /// Jobs it holds now.
    running: u32,
    /// When it began.
    #[schema(format = "date-time")]
    started_at: String,
    /// When it was last heard of.
    #[schema(format = "date-time")]
    seen_at: String,
}

/// Depth per lane, backlog, workers, and the expected time until all is done.
#[utoipa::path(get, path = "/api/admin/queue", tag = "operators", security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The queue.", body = QueueBody)))]
pub(crate) async fn queue(State(state): State<AppState>, _: Operator) -> Answer<Json<QueueBody>> {
    let depth = depth(&state).await;
    let backlog = state.db.backlog().await?;
    let workers = state.db.workers(state.config.worker_silent).await?;
    let count = |state| workers.iter().filter(|worker| worker.state == state).count() as u64;
    let (active, slots) = (count(WorkerState::Active), slots(&workers));
    Ok(Json(QueueBody {
        broker_available: depth.is_some(),
        dead_letters: depth.as_ref().map(|depth| depth.dead),
        lanes: depth.iter().flat_map(|depth| &depth.lanes).map(LaneBody::from).collect(),
        workers: WorkersCount { active, draining: count(WorkerState::Draining) },
        slots,
        backlog_per_worker: per_worker(backlog.total(), active),
        expected_drain_s: drain_s(&backlog, slots),
        backlog: (&backlog).into(),
    }))
}

/// Workers heard of lately.
#[utoipa::path(get, path = "/api/admin/workers", tag = "operators", security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The workers.", body = WorkersBody)))]
pub(crate) async fn workers(
    State(state): State<AppState>,
    _: Operator,
) -> Answer<Json<WorkersBody>> {
    let workers = state.db.workers(state.config.worker_silent).await?;
    Ok(Json(WorkersBody { workers: workers.iter().map(WorkerBody::from).collect() }))
}

/// Waves of as many jobs as there are slots, each as long as a mean job.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn drain_s(backlog: &Backlog, slots: u64) -> Option<f64> {
    match (backlog.total(), slots) {
        (0, _) => Some(0.0),
        (_, 0) => None,
        (total, slots) => backlog.mean_run_s.map(|run_s| total.div_ceil(slots) as f64 * run_s),
    }
}

impl From<&LaneDepth> for LaneBody {
    fn from(depth: &LaneDepth) -> Self {
        Self { lane: depth.lane.to_string(), ready: depth.ready, in_flight: depth.in_flight }
    }
}

impl From<&Backlog> for BacklogBody {
    fn from(backlog: &Backlog) -> Self {
        Self {
            scheduled: backlog.scheduled,
            waiting: backlog.waiting,
            running: backlog.running,
            dead: backlog.dead,
            total: backlog.total(),
            oldest_waiting_s: backlog.oldest_waiting_s,
            mean_run_s: backlog.mean_run_s,
        }
    }
}

impl From<&Worker> for WorkerBody {
    fn from(worker: &Worker) -> Self {
        Self {
            id: worker.id.to_string(),
            host: worker.host.clone(),
            pid: worker.pid,
            state: worker.state.as_str(),
            concurrency: worker.concurrency,
            running: worker.running,
            started_at: worker.started_at.to_string(),
            seen_at: worker.seen_at.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backlog_drains_in_waves_and_never_without_workers() {
        let backlog =
            Backlog { waiting: 5, running: 2, mean_run_s: Some(10.0), ..Backlog::default() };
        assert_eq!(drain_s(&backlog, 2), Some(40.0));
        assert_eq!(drain_s(&backlog, 0), None);
        assert_eq!(drain_s(&Backlog::default(), 0), Some(0.0));
    }
}
