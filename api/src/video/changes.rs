use std::time::Duration;

use reelfleet_db::Wakeup;
use reelfleet_runtime::Shutdown;
use tokio::{sync::watch, time::Instant};

/// Watching can fail silently; nothing is staler than this.
const LOOK_ANYWAY: Duration = Duration::from_secs(2);
/// A busy database changes hundreds of times a second; streams look again less often.
const CALM: Duration = Duration::from_millis(50);
/// And once more after a change: SQLite's log changes a moment before the commit can be read.
const AGAIN: Duration = Duration::from_millis(100);

/// Tells every event stream of the process that the records may have changed: one watcher for all.
#[derive(Clone)]
pub(crate) struct Changes {
    sender: watch::Sender<()>,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self { sender: watch::Sender::new(()) }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.sender.subscribe()
    }

    /// Passes changes on until the drain.
    pub(crate) async fn watch(&self, mut wakeup: Wakeup, shutdown: &Shutdown) {
        let mut look = LOOK_ANYWAY;
        loop {
            let began = Instant::now();
            tokio::select! {
                () = shutdown.drain().cancelled() => return,
                () = wakeup.wait(look) => {}
            }
            look = if began.elapsed() < look { AGAIN } else { LOOK_ANYWAY };
            self.sender.send_modify(|()| ());
            if !shutdown.sleep(CALM).await {
                return;
            }
        }
    }
}
