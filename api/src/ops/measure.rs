use axum::{extract::State, http::header, response::IntoResponse};
use metrics::gauge;
use reelfleet_db::{Backlog, Worker, WorkerState};
use reelfleet_job::{Kind, Lane};
use reelfleet_queue::Depth;

use crate::{
    problem::{Answer, problems},
    state::AppState,
};

problems!(ScrapeProblems: BUSY);

/// Numbers for Prometheus. They name no user, video or job.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Prometheus text.", body = String, content_type = "text/plain"), ScrapeProblems))]
pub(crate) async fn scrape(State(state): State<AppState>) -> Answer<impl IntoResponse> {
    let backlog = state.db.backlog().await?;
    let workers = state.db.workers(state.config.worker_silent).await?;
    let depth = super::depth(&state).await;
    let free = state.storage.free_bytes().await.unwrap_or(Some(0));
    let streams = state.streams.total();
    state.metrics.with(|| {
        set_backlog(&backlog);
        set_workers(&workers, &backlog);
        set_broker(depth.as_ref());
        gauge!("reelfleet_event_streams").set(streams);
        // Storage without a bound has no such number.
        if let Some(free) = free {
            gauge!("reelfleet_disk_free_bytes").set(number(free));
        }
    });
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], state.metrics.render()))
}

fn set_backlog(backlog: &Backlog) {
    for (name, count) in [
        ("scheduled", backlog.scheduled),
        ("queued", backlog.waiting),
        ("running", backlog.running),
        ("dead", backlog.dead),
    ] {
        gauge!("reelfleet_jobs", "state" => name).set(number(count));
    }
    gauge!("reelfleet_backlog").set(number(backlog.total()));
    gauge!("reelfleet_oldest_waiting_seconds").set(backlog.oldest_waiting_s);
}

/// What is not known is not a number; an old one would mislead.
fn set_broker(depth: Option<&Depth>) {
    gauge!("reelfleet_broker_up").set(if depth.is_some() { 1.0 } else { 0.0 });
    for lane in Kind::ALL.into_iter().flat_map(Lane::of) {
        let found = depth.and_then(|depth| depth.lanes.iter().find(|one| one.lane == lane));
        let set = |state, count: Option<u64>| {
            gauge!("reelfleet_lane_messages", "lane" => lane.to_string(), "state" => state)
                .set(count.map_or(f64::NAN, number));
        };
        set("ready", found.map(|lane| lane.ready));
        set("in_flight", found.map(|lane| lane.in_flight));
    }
    let letters = depth.map_or(f64::NAN, |depth| number(depth.dead));
    gauge!("reelfleet_dead_letters").set(letters);
}

fn set_workers(workers: &[Worker], backlog: &Backlog) {
    let count = |state| workers.iter().filter(|worker| worker.state == state).count() as u64;
    for state in [WorkerState::Active, WorkerState::Draining] {
        gauge!("reelfleet_workers", "state" => state.as_str()).set(number(count(state)));
    }
    let active = count(WorkerState::Active);
    gauge!("reelfleet_worker_slots").set(number(slots(workers)));
    gauge!("reelfleet_backlog_per_worker").set(per_worker(backlog.total(), active));
}

/// Jobs that the active workers take at a time.
pub(crate) fn slots(workers: &[Worker]) -> u64 {
    workers
        .iter()
        .filter(|worker| worker.state == WorkerState::Active)
        .map(|worker| u64::from(worker.concurrency))
        .sum()
}

/// With no worker the divisor is 1, so that the number rises with the backlog and is never infinite.
pub(crate) fn per_worker(backlog: u64, active: u64) -> f64 {
    number(backlog) / number(active.max(1))
}

/// Counts of jobs and bytes stay far below where a float loses ones.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_worker_divides_by_one() {
        assert!((per_worker(7, 0) - 7.0).abs() < f64::EPSILON);
        assert!((per_worker(7, 2) - 3.5).abs() < f64::EPSILON);
    }
}
