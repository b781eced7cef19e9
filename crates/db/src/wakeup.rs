use std::{path::Path, sync::Arc, time::Duration};

use notify::{RecursiveMode, Watcher};
use reelfleet_job::Kind;
use tokio::{sync::watch, task::JoinHandle};

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// A message of the `database` queue that can be received, for a job of this kind.
    Work(Kind),
    /// Anything that people look at: states, progress, sessions that end.
    Changes,
}

impl Topic {
    /// Every topic there is.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Kind::ALL.into_iter().map(Self::Work).chain([Self::Changes])
    }
}

/// Wakes a waiter soon after anyone, in this process or another, has changed the database.
///
/// It may wake for nothing (SQLite has one bell for every topic) and, where the system cannot
/// watch files or while Postgres is away, not at all: who waits always gives a bound, and looks
/// again after it. One wakes one waiter: see [`Wakeup::another`].
pub struct Wakeup {
    rung: watch::Receiver<()>,
    /// Stops what rings when the last of its holders drops it.
    source: Arc<Source>,
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
        let (ring, rung) = watch::channel(());
        let folder = match database.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut log = database.file_name().unwrap_or_default().to_owned();
        log.push("-wal");
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let of_log = |path: &std::path::PathBuf| path.file_name() == Some(log.as_os_str());
            if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(of_log)) {
                ring.send_replace(());
            }
        })
        .and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        })
        .inspect_err(|error| tracing::warn!(%error, "changes of the database are polled for: it cannot be watched"))
        .ok();
        Self { rung, source: Arc::new(Source::File { _watcher: watcher }) }
    }

    /// Is rung by a task that it may share with others.
    pub(crate) fn by_task(rung: watch::Receiver<()>, task: Arc<Task>) -> Self {
        Self { rung, source: Arc::new(Source::Task { _task: task }) }
    }

    /// One more, for one more waiter. It hears every ring from now on.
    #[must_use]
    pub fn another(&self) -> Self {
        let mut rung = self.rung.clone();
        rung.mark_unchanged();
        Self { rung, source: Arc::clone(&self.source) }
    }

    /// Waits for a ring, at most so long. One since the last wait counts.
    pub async fn wait(&mut self, at_most: Duration) {
        let ring = async {
            if self.rung.changed().await.is_err() {
                // Nothing rings any more: the bound is left.
                std::future::pending().await
            }
        };
        let _ = tokio::time::timeout(at_most, ring).await;
    }
}
