//! Keeps the leases of the jobs in hand, or stops the work before they end.

use std::{sync::Arc, time::Duration};

use reelfleet_db::{Beat, Pulse};
use reelfleet_runtime::Shutdown;
use tokio::time::Instant;

use crate::{
    Worker,
    hands::{Hands, Why},
};

/// With nothing in hand the worker only says that it is there.
const IDLE: Duration = Duration::from_secs(5);

/// Runs until it is aborted: leases must be kept while the worker drains, too.
pub(crate) async fn run(worker: Arc<Worker>, hands: Hands, shutdown: Shutdown) {
    let every = worker.config.beat_every();
    // The lease counts from the moment the renewal was asked for, not answered:
    // the answer may have been long on its way.
    let mut renewed = Instant::now();
    let mut last_idle: Option<Instant> = None;
    loop {
        tokio::time::sleep(every).await;
        let held = hands.pulses();
        if held.is_empty() {
            renewed = Instant::now();
            if !shutdown.is_draining() && last_idle.is_none_or(|last| last.elapsed() >= IDLE) {
                last_idle = Some(Instant::now());
                if let Err(error) = worker.db.beat(worker.id, worker.config.lease, &[]).await {
                    tracing::warn!(%error, "the database did not hear this worker");
                }
            }
            continue;
        }
        let asked = Instant::now();
        let pulses: Vec<Pulse> = held.iter().map(|(_, pulse)| *pulse).collect();
        let beat = worker.db.beat(worker.id, worker.config.lease, &pulses);
        // A job whose lease cannot be renewed must be stopped before the lease ends, with
        // time left to kill its ffmpeg; a worker frozen for longer finds the time gone.
        let give_up = renewed + worker.config.lease * 2 / 3;
        match tokio::time::timeout_at(give_up, beat).await {
            Ok(Ok(beats)) => {
                renewed = asked;
                for ((held, _), beat) in held.iter().zip(beats) {
                    match beat {
                        Beat::Held => {}
                        Beat::Cancel => held.stop_because(Why::Cancelled),
                        Beat::Lost => held.stop_because(Why::Lost),
                    }
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "leases could not be renewed"),
            Err(_) => {}
        }
        if Instant::now() >= give_up && renewed < asked {
            tracing::error!(
                jobs.held = pulses.len(),
                "leases could not be renewed in time: {} jobs are stopped",
                pulses.len()
            );
            hands.stop_all(Why::Lost);
        }
    }
}
