use std::{path::Path, sync::Arc, time::Duration};

use notify::{RecursiveMode, Watcher};
use tokio::{sync::Notify, task::JoinHandle};

/// Wakes a waiter soon after anyone, in this process or another, has changed the database.
///
/// It may wake for nothing and, where the system cannot watch files, not at
/// all: who waits always gives a bound, and looks again after it.
pub struct Wakeup {
    changed: Arc<Notify>,
    /// Stops what rings when dropped.
    _source: Source,
}

enum Source {
    /// None where the system cannot watch files.
    File {
        _watcher: Option<notify::RecommendedWatcher>,
    },
    Task(JoinHandle<()>),
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Self::Task(task) = self {
            task.abort();
        }
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
        let changed = Arc::new(Notify::new());
        let folder = match database.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut log = database.file_name().unwrap_or_default().to_owned();
        log.push("-wal");
        let ring = Arc::clone(&changed);
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
        Self { changed, _source: Source::File { _watcher: watcher } }
    }

    /// Is rung by a task of its own.
    pub(crate) fn by_task(changed: Arc<Notify>, task: JoinHandle<()>) -> Self {
        Self { changed, _source: Source::Task(task) }
    }

    /// Waits for a change, at most so long.
    pub async fn wait(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.changed.notified()).await;
    }
}
