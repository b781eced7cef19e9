use axum::{extract::State, http::header, response::IntoResponse};
use metrics::gauge;
use reelfleet_db::WorkerState;
use reelfleet_job::{Kind, Lane};
use reelfleet_metric::Observed;
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
    // Whoever asks more often than that learns nothing new, and costs nothing.
    let observed = state.observer.recent().await?;
    let depth = super::depth(&state).await;
    let free = state.storage.free_bytes().await.unwrap_or(Some(0));
    let streams = state.streams.total();
    state.metrics.with(|| {
        set_backlog(&observed);
        set_workers(&observed);
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

fn set_backlog(observed: &Observed) {
    let values = &observed.values;
    for (name, count) in [
        ("scheduled", observed.work.scheduled),
        ("queued", values.jobs_waiting),
        ("running", values.jobs_running),
        ("dead", values.jobs_dead),
    ] {
        gauge!("reelfleet_jobs", "state" => name).set(number(count));
    }
    gauge!("reelfleet_jobs_failing").set(number(values.jobs_failing));
    gauge!("reelfleet_backlog").set(number(observed.backlog()));
    gauge!("reelfleet_oldest_waiting_seconds").set(values.oldest_waiting_seconds);
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

fn set_workers(observed: &Observed) {
    let (work, values) = (&observed.work, &observed.values);
    for (state, count) in
        [(WorkerState::Active, values.workers_active), (WorkerState::Draining, work.draining)]
    {
        gauge!("reelfleet_workers", "state" => state.as_str()).set(count);
    }
    gauge!("reelfleet_worker_slots").set(work.slots);
    gauge!("reelfleet_backlog_per_worker").set(values.backlog_per_worker);
    gauge!("reelfleet_backlog_seconds_per_worker").set(values.backlog_seconds_per_worker);
}

/// Counts of jobs and bytes stay far below where a float loses ones.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn number(count: u64) -> f64 {
    count as f64
}
