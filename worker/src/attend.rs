//! Attends to a worker's work until nothing of it is in hand any more, whatever ends it.

use std::{sync::Arc, time::Duration};

use reelfleet_runtime::Shutdown;
use tokio_util::task::TaskTracker;

use crate::{
    GOODBYE, Worker,
    hands::{Hands, Tally},
};

/// Runs `work` to its end, and hands back what is left then. None: a fault of ours ended it.
pub(crate) async fn attend(
    worker: &Arc<Worker>,
    (hands, jobs): (&Hands, &TaskTracker),
    shutdown: &Shutdown,
    work: impl Future<Output = Tally> + Send + 'static,
) -> Option<Tally> {
    // In a task of its own: a panic ends that, and nothing that comes after it.
    let worked = tokio::spawn(work).await;
    if let Err(error) = &worked {
        tracing::error!(%error, "a fault of ours: worker {} leaves", worker.id);
        shutdown.start_drain();
        jobs.close();
        hands.drain(jobs, worker.config.drain, &worker.instance, shutdown).await;
    }
    // A job that was begun in the moment of the drain goes back.
    hands.drain(jobs, Duration::ZERO, &worker.instance, shutdown).await;
    if worker.instance.is_there() {
        outlast(jobs, worker.config.lease, shutdown).await;
    }
    worked.ok()
}

/// A job that cannot be handed back, as its database is away, is this worker's until its lease
/// ends: no group is told before that that there is nothing in hand.
async fn outlast(jobs: &TaskTracker, lease: Duration, shutdown: &Shutdown) {
    tokio::select! {
        _ = tokio::time::timeout(lease + GOODBYE, jobs.wait()) => {}
        () = shutdown.abort().cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use reelfleet_db::Db;
    use reelfleet_job::{JobId, WorkerId};
    use reelfleet_media::{Profiles, Tools};
    use reelfleet_queue::{Queue, QueueConfig};
    use reelfleet_runtime::Vars;
    use reelfleet_servers::group::{Action, Group};
    use reelfleet_storage::Storage;
    use tokio::time::Instant;

    use super::*;
    use crate::{Left, WorkerConfig, instance::tests::on};

    async fn worker(folder: &std::path::Path, group: &Group) -> Arc<Worker> {
        let db = Db::open(&format!("sqlite:{}/test.db", folder.display())).await.unwrap();
        db.migrate().await.unwrap();
        let mut vars = Vars::of([("LEASE_SECONDS", "10"), ("DRAIN_SECONDS", "1")]);
        let (config, queue) =
            (WorkerConfig::from_vars(&mut vars), QueueConfig::from_vars(&mut vars));
        vars.finish().unwrap();
        let queue = Queue::open(&queue, &db).await.unwrap();
        let storage = Storage::local(&folder.join("blobs")).await.unwrap();
        let tools = Tools::find(&config.tools).unwrap();
        let id = WorkerId::generate();
        let worker = Worker::new(id, config, db, queue, storage, tools, Profiles::builtin());
        Arc::new(worker.on(on(group, "i-1")))
    }

    /// C5: the worker panics while it drains. What is in hand goes back first, then the group is
    /// told, once.
    #[tokio::test]
    async fn a_panic_in_mid_drain_hands_back_and_completes_once() {
        let (folder, group) = (tempfile::tempdir().unwrap(), Group::start());
        let worker = worker(folder.path(), &group).await;
        let (hands, jobs, shutdown) = (Hands::new(1), TaskTracker::new(), Shutdown::new());
        assert_eq!(worker.instance.arrive(&shutdown).await, None);
        let held = hands.take(JobId::generate(), 1, Instant::now());
        let handed_back = Arc::new(std::sync::OnceLock::new());
        jobs.spawn({
            let (stopped, handed_back) = (held.stop().clone(), Arc::clone(&handed_back));
            async move {
                stopped.cancelled().await;
                let _ = handed_back.set(std::time::Instant::now());
            }
        });
        let draining = shutdown.clone();
        let work = async move {
            draining.drain().cancelled().await;
            panic!("on purpose");
        };
        group.terminate("i-1");
        let worked = attend(&worker, (&hands, &jobs), &shutdown, work).await;
        assert_eq!(worked, None);
        assert_eq!(worker.instance.depart().await, Left::Terminated);
        let completed = group.calls_of("i-1", Action::Complete);
        assert_eq!(completed.len(), 1, "{completed:?}");
        let handed_back = handed_back.get().expect("it was handed back");
        assert!(completed[0].done && completed[0].at > *handed_back, "{completed:?}");
    }
}
