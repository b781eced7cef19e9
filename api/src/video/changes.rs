use std::time::Duration;

use reelfleet_db::Wakeup;
use reelfleet_runtime::Shutdown;
use tokio::sync::watch;

/// Watching can fail silently; nothing is staler than this.
const LOOK_ANYWAY: Duration = Duration::from_secs(2);
/// A busy database changes hundreds of times a second; streams look again less often.
const CALM: Duration = Duration::from_millis(50);

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
    pub(crate) async fn watch(&self, wakeup: Wakeup, shutdown: &Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.drain().cancelled() => return,
                () = wakeup.wait(LOOK_ANYWAY) => {}
            }
            self.sender.send_modify(|()| ());
            if !shutdown.sleep(CALM).await {
                return;
            }
        }
    }
}
