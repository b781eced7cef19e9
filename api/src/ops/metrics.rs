use std::{sync::Arc, time::Duration};

use axum::http::{Method, StatusCode};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// Upper bounds of the latency histogram, seconds.
const LATENCIES_S: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];

/// The numbers of this process. The recorder belongs to the state, not to the process.
#[derive(Clone)]
pub(crate) struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        // Only an empty list of bounds is refused.
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets(LATENCIES_S).unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let metrics = Self { recorder: Arc::new(recorder), handle };
        metrics.with(describe);
        metrics
    }

    /// Runs what records, with our recorder.
    pub(super) fn with<T>(&self, record: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&*self.recorder, record)
    }

    /// The page that Prometheus reads.
    pub(super) fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }

    /// One answered request.
    pub(crate) fn request(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        // A client may send any word as its method; each would be a series.
        let method = match method.as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
            _ => "other",
        };
        let (method, route) = (method.to_owned(), route.to_owned());
        self.with(|| {
            let status = status.as_u16().to_string();
            counter!("reelfleet_http_requests_total", "method" => method.clone(), "route" => route.clone(), "status" => status).increment(1);
            histogram!("reelfleet_http_request_seconds", "method" => method, "route" => route).record(took);
        });
    }

    /// Bytes of uploads that arrived.
    pub(crate) fn uploaded(&self, bytes: u64) {
        self.with(|| counter!("reelfleet_upload_bytes_total").increment(bytes));
    }

    /// How many uploads are under way.
    pub(crate) fn uploads_in_flight(&self, count: u32) {
        self.with(|| gauge!("reelfleet_uploads_in_flight").set(count));
    }
}

fn describe() {
    describe_counter!("reelfleet_http_requests_total", "Answered requests.");
    describe_histogram!(
        "reelfleet_http_request_seconds",
        Unit::Seconds,
        "Time from a request's head to the begin of its answer."
    );
    describe_counter!(
        "reelfleet_upload_bytes_total",
        Unit::Bytes,
        "Bytes of uploads that arrived."
    );
    describe_gauge!("reelfleet_uploads_in_flight", "Uploads under way.");
    describe_gauge!("reelfleet_event_streams", "Open event streams.");
    describe_gauge!("reelfleet_jobs", "Jobs by state.");
    describe_gauge!(
        "reelfleet_jobs_failing",
        "Jobs that fail by a fault of the fleet, while none is done."
    );
    describe_gauge!("reelfleet_backlog", "Waiting and running jobs.");
    describe_gauge!("reelfleet_backlog_per_worker", "Backlog by active worker, at least one.");
    describe_gauge!(
        "reelfleet_backlog_seconds_per_worker",
        Unit::Seconds,
        "Seconds until the active workers should be through the backlog."
    );
    describe_gauge!("reelfleet_workers", "Workers by state.");
    describe_gauge!("reelfleet_worker_slots", "Jobs that the active workers take at a time.");
    describe_gauge!(
        "reelfleet_oldest_waiting_seconds",
        Unit::Seconds,
        "Age of the job that has waited longest."
    );
    describe_gauge!("reelfleet_lane_messages", "Messages by lane, ready or in flight.");
    describe_gauge!(
        "reelfleet_disk_free_bytes",
        Unit::Bytes,
        "Free space of the storage, where it has a bound."
    );
}
