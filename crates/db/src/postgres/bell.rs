//! LISTEN and NOTIFY: who changed something rings, and who waits is woken.
//!
//! The ringing is not part of the changing transaction: committing a NOTIFY
//! takes a lock on the whole server, and thousands of commits a second would
//! stand in line for it. One task rings for all changes made while it last rang.
//! A ring that is lost with its process costs a waiter its bound, no more.

use std::{fmt, sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{sync::Notify, task::JoinHandle};

use crate::{Result, Wakeup};

const CHANNEL: &str = "reelfleet";

/// After a failure the next ring or reconnection is tried so much later.
const PAUSE: Duration = Duration::from_secs(1);

/// Rings the channel, for this process.
#[derive(Clone)]
pub(super) struct Bell {
    rung: Arc<Notify>,
    _ringer: Arc<Ringer>,
}

struct Ringer(JoinHandle<()>);

impl Drop for Ringer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bell")
    }
}

impl Bell {
    pub(super) fn new(pool: PgPool) -> Self {
        let rung = Arc::new(Notify::new());
        let pull = Arc::clone(&rung);
        let ringer = tokio::spawn(async move {
            loop {
                pull.notified().await;
                let told =
                    sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&pool).await;
                if let Err(error) = told {
                    tracing::debug!(%error, "nobody was woken: they look for themselves");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        });
        Self { rung, _ringer: Arc::new(Ringer(ringer)) }
    }

    /// Something was committed that somebody may wait for.
    pub(super) fn ring(&self) {
        self.rung.notify_one();
    }
}

/// Wakes whenever anyone rings.
pub(super) async fn listen(pool: &PgPool) -> Result<Wakeup> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let changed = Arc::new(Notify::new());
    let wake = Arc::clone(&changed);
    let task = tokio::spawn(async move {
        loop {
            match listener.recv().await {
                Ok(_) => {}
                // It connects anew by itself; what was rung meanwhile is lost.
                Err(error) => {
                    tracing::debug!(%error, "the database's bell cannot be heard");
                    tokio::time::sleep(PAUSE).await;
                }
            }
            wake.notify_one();
        }
    });
    Ok(Wakeup::by_task(changed, task))
}
