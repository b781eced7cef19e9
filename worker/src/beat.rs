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
    let (every, lease) = (worker.config.beat_every(), worker.config.lease);
    let mut last_idle: Option<Instant> = None;
    loop {
        tokio::time::sleep(every).await;
        let held = hands.pulses();
        if held.is_empty() {
            if !shutdown.is_draining() && last_idle.is_none_or(|last| last.elapsed() >= IDLE) {
                last_idle = Some(Instant::now());
                if let Err(error) = worker.db.beat(worker.id, lease, &[]).await {
                    tracing::warn!(%error, "the database did not hear this worker");
                }
            }
            continue;
        }
        let asked = Instant::now();
        let pulses: Vec<Pulse> = held.iter().map(|(_, pulse)| *pulse).collect();
        // Answered in time for the job that must be given up first; and with a little time
        // in any case, so that a worker which was frozen hears what became of its jobs.
        let first = held.iter().map(|(held, _)| held.give_up_at(lease)).min().unwrap_or(asked);
        let bound = first.max(asked + every);
        match tokio::time::timeout_at(bound, worker.db.beat(worker.id, lease, &pulses)).await {
            Ok(Ok(beats)) => {
                for ((held, _), beat) in held.iter().zip(beats) {
                    match beat {
                        // The lease counts from the moment the renewal was asked for, not
                        // answered: the answer may have been long on its way.
                        Beat::Held => held.renewed_at(asked),
                        Beat::Cancel => {
                            held.renewed_at(asked);
                            held.stop_because(Why::Cancelled);
                        }
                        Beat::Lost => held.stop_because(Why::Lost),
                    }
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "leases could not be renewed"),
            Err(_) => tracing::warn!("the database did not answer in time"),
        }
        // A job whose lease cannot be renewed is stopped before the lease ends.
        let now = Instant::now();
        for (held, _) in &held {
            if now >= held.give_up_at(lease) && held.why().is_none() {
                tracing::error!(job.id = %held.job, "the lease of job {} could not be renewed in time: it is stopped", held.job);
                held.stop_because(Why::Lost);
            }
        }
    }
}
