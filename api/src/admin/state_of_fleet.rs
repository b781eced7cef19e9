use axum::{Json, extract::State};
use reelfleet_db::{LaneDepth, Worker};
use reelfleet_metric::Observed;
use serde::Serialize;

use crate::{auth::Operator, ops::depth, problem::Answer, state::AppState};

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
    /// Seconds until the active workers should be through the backlog; with none the divisor is 1.
    backlog_seconds_per_worker: f64,
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
    let observed = state.observer.now().await?;
    let (work, values) = (&observed.work, &observed.values);
    Ok(Json(QueueBody {
        broker_available: depth.is_some(),
        dead_letters: depth.as_ref().map(|depth| depth.dead),
        lanes: depth.iter().flat_map(|depth| &depth.lanes).map(LaneBody::from).collect(),
        workers: WorkersCount {
            active: values.workers_active.into(),
            draining: work.draining.into(),
        },
        slots: work.slots.into(),
        backlog_per_worker: values.backlog_per_worker,
        backlog_seconds_per_worker: values.backlog_seconds_per_worker,
        expected_drain_s: observed.seconds_to_drain(),
        backlog: (&observed).into(),
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

impl From<&LaneDepth> for LaneBody {
    fn from(depth: &LaneDepth) -> Self {
        Self { lane: depth.lane.to_string(), ready: depth.ready, in_flight: depth.in_flight }
    }
}

impl From<&Observed> for BacklogBody {
    fn from(observed: &Observed) -> Self {
        let values = &observed.values;
        Self {
            scheduled: observed.work.scheduled,
            waiting: values.jobs_waiting,
            running: values.jobs_running,
            dead: values.jobs_dead,
            total: observed.backlog(),
            oldest_waiting_s: values.oldest_waiting_seconds,
            mean_run_s: observed.mean_run_s(),
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
