//! How a worker leaves: rows C1 to C8, C10 and C11 of the failure checklist, with real workers on
//! real videos, and a batch under signals. Of a zone's connections, C10 cuts those to Postgres only.
//!
//! ```text
//! Stage: api ── queue, database ── Worker: `reelfleet worker` on an instance ──► fake group
//! ```
//!
//! `make chaos` runs the batch with 500 signals on SQS and Postgres, and writes
//! `e2e/results/scale-in.json`; `SEED=7` goes another way.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod batch;
mod group;
mod report;
mod signals;
mod versions;
mod zones;

use std::time::Duration;

use reelfleet_e2e::{
    stage::{self, Queue, Stage},
    wait_for,
    worker::{self, Worker},
};
use rustix::process::Signal;

/// What takes a moment, on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(60);

/// Waits until a worker has a video under way.
fn busy(stage: &Stage, worker: &Worker) {
    wait_for("its ffmpeg", SOON, || (stage.runs(worker) && worker.encodes()).then_some(()));
}

/// C3: the whole of a batch, in little.
#[test]
fn signals_at_random_moments_of_a_batch_cost_no_job_no_try_and_no_second_of_a_result() {
    let mut stage = Stage::set(Queue::Sqlite);
    let report = batch::run(&mut stage, batch::SEED, 20);
    report.assert_sound();
}

#[test]
#[ignore = "a long campaign: make chaos"]
fn five_hundred_signals_at_random_moments_of_a_batch_on_sqs() {
    #[expect(clippy::disallowed_methods, reason = "who repeats a campaign names its seed")]
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let mut stage = Stage::set(Queue::Sqs);
    let report = batch::run(&mut stage, seed.unwrap_or(batch::SEED), 500);
    report.write();
    report.assert_sound();
}

/// Tells a worker to leave, and waits for its end; its exit code.
fn leave(worker: &mut Worker) -> Option<i32> {
    worker.signal(Signal::TERM);
    worker.wait_end(SOON)
}
