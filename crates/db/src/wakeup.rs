use std::{path::Path, sync::Arc, time::Duration};

use notify::{RecursiveMode, Watcher};
use tokio::{sync::Notify, task::JoinHandle};

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// A message of the `database` queue that can be received.
    Work,
    /// Anything that people look at: states, progress, sessions that end.
    Changes,
}

/// Wakes a waiter soon after anyone, in this process or another, has changed the database.
///
/// It may wake for nothing (SQLite has one bell for every topic) and, where the system cannot
/// watch files or while Postgres is away, not at all: who waits always gives a bound, and looks
/// again after it.
pub struct Wakeup {
    rung: Arc<Notify>,
    /// Stops what rings when the last of its holders drops it.
    _source: Source,
}

enum Source {
    /// None where the system cannot watch files.
    File {
        _watcher: Option<notify::RecommendedWatcher>,
    },
    Task {
        _task: Arc<Task>,
    },
}

/// A task that ends with whoever needs it.
pub(crate) struct Task(pub(crate) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl std::fmt::Debug for Wakeup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wakeup")
    }
}

impl Wakeup {
    /// Watches the write-ahead log of an SQLite file. Every commit of every process writes to it,
    /// so a system call from the kernel replaces polling.
    pub(crate) fn on_file(database: &Path) -> Self {
        let rung = Arc::new(Notify::new());
        let folder = match database.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut log = database.file_name().unwrap_or_default().to_owned();
        log.push("-wal");
        let ring = Arc::clone(&rung);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let of_log = |path: &std::path::PathBuf| path.file_name() == Some(log.as_os_str());
            if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(of_log)) {
                ring.notify_one();
            }
        })
        .and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        })
        .inspect_err(|error| tracing::warn!(%error, "changes of the database are polled for: it cannot be watched"))
        .ok();
        Self { rung, _source: Source::File { _watcher: watcher } }
    }

    /// Is rung by a task that it may share with others.
    pub(crate) fn by_task(rung: Arc<Notify>, task: Arc<Task>) -> Self {
        Self { rung, _source: Source::Task { _task: task } }
    }

    /// Waits for a ring, at most so long. One since the last wait counts.
    pub async fn wait(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.rung.notified()).await;
    }
}
