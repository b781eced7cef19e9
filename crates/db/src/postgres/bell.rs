//! LISTEN and NOTIFY: who changed something rings, and who waits is woken.
//!
//! ```text
//! a commit ──► Bell::ring ──► ringer ──NOTIFY──► Postgres ──► listener ──► every Wakeup of its topic
//!                             one a topic                     one connection a process
//! ```
//!
//! The ringing is not part of the changing transaction: committing a NOTIFY
//! takes a lock on the whole server, and thousands of commits a second would
//! stand in line for it. A ring after a quiet time goes at once; those that
//! follow are one, a moment later. A ring that is lost with its process or its
//! connection costs a waiter its bound, no more.

use std::{fmt, sync::Arc, time::Duration};

use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::{
    sync::{Notify, OnceCell, watch},
    time::{sleep, timeout},
};

use super::{CONNECT, connections::Connections};
use crate::{Error, PATIENCE, Result, Topic, Wakeup, wakeup::Task};

/// After a failure the next ring or reconnection is tried so much later.
const PAUSE: Duration = Duration::from_secs(1);

/// After so long a silence the listener asks whether the other end is still there, and for so
/// long it waits for the answer. Of a peer that has vanished TCP alone would never tell.
const SILENCE: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(5);

const TOPICS: [Topic; 2] = [Topic::Work, Topic::Changes];

impl Topic {
    fn channel(self) -> &'static str {
        match self {
            Self::Work => "reelfleet_work",
            Self::Changes => "reelfleet_changes",
        }
    }

    /// The least time between two rings of one process. A message is waited for by a machine;
    /// nobody sees the difference between two changes within a tenth of a second.
    fn gap(self) -> Duration {
        match self {
            Self::Work => Duration::from_millis(10),
            Self::Changes => Duration::from_millis(100),
        }
    }
}

/// Rings the channels for this process, and hears them for it.
#[derive(Clone)]
pub(super) struct Bell(Arc<Parts>);

struct Parts {
    work: Ringer,
    changes: Ringer,
    options: PgConnectOptions,
    heard: Arc<Heard>,
    /// There as soon as anybody waits.
    listener: OnceCell<Arc<Task>>,
}

struct Ringer {
    pulled: Arc<Notify>,
    _task: Task,
}

/// Tells everybody who waits in this process.
#[derive(Default)]
struct Heard {
    work: watch::Sender<()>,
    changes: watch::Sender<()>,
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bell")
    }
}

impl Bell {
    pub(super) fn new(pool: Connections, options: PgConnectOptions) -> Self {
        Self(Arc::new(Parts {
            work: Ringer::of(Topic::Work, pool.clone()),
            changes: Ringer::of(Topic::Changes, pool),
            options,
            heard: Arc::default(),
            listener: OnceCell::new(),
        }))
    }

    /// Something was committed that somebody may wait for.
    pub(super) fn ring(&self, topic: Topic) {
        match topic {
            Topic::Work => self.0.work.pulled.notify_one(),
            Topic::Changes => self.0.changes.pulled.notify_one(),
        }
    }

    /// Something to wait on. The first one in a process opens the connection that all share.
    pub(super) async fn listen(&self, topic: Topic) -> Result<Wakeup> {
        let Parts { options, heard, listener, .. } = &*self.0;
        let task = listener
            .get_or_try_init(async || {
                let (options, heard) = (options.clone(), Arc::clone(heard));
                let first = connect(&options).await?;
                Ok::<_, Error>(Arc::new(Task(tokio::spawn(hear(first, options, heard)))))
            })
            .await?;
        Ok(Wakeup::by_task(heard.by(topic).subscribe(), Arc::clone(task)))
    }
}

impl Ringer {
    fn of(topic: Topic, pool: Connections) -> Self {
        let pulled = Arc::new(Notify::new());
        let pull = Arc::clone(&pulled);
        let task = tokio::spawn(async move {
            loop {
                pull.notified().await;
                let tell =
                    sqlx::query("SELECT pg_notify($1, '')").bind(topic.channel()).execute(&pool);
                let told = timeout(PATIENCE, tell).await;
                let heard = matches!(told, Ok(Ok(_)));
                if !heard {
                    tracing::debug!(?told, "nobody was woken: they look for themselves");
                }
                sleep(if heard { topic.gap() } else { PAUSE }).await;
            }
        });
        Self { pulled, _task: Task(task) }
    }
}

impl Heard {
    fn by(&self, topic: Topic) -> &watch::Sender<()> {
        match topic {
            Topic::Work => &self.work,
            Topic::Changes => &self.changes,
        }
    }
}

/// Passes on what it hears, for ever. Without a connection nobody is woken, and who waits looks
/// for himself at his own bound.
async fn hear(first: PgListener, options: PgConnectOptions, heard: Arc<Heard>) {
    let mut listener = Some(first);
    loop {
        if let Some(listener) = listener.take() {
            let error = pass_on(listener, &heard).await;
            tracing::debug!(%error, "the database's bell cannot be heard");
        }
        sleep(PAUSE).await;
        match connect(&options).await {
            Ok(connected) => {
                listener = Some(connected);
                // What was rung meanwhile is lost.
                for topic in TOPICS {
                    heard.by(topic).send_replace(());
                }
            }
            Err(error) => tracing::debug!(%error, "the database's bell is not heard yet"),
        }
    }
}

/// Passes on until the connection is lost. A listener that is dropped takes leave of the server
/// in a task of its own, which ends with its connection at the latest.
async fn pass_on(mut listener: PgListener, heard: &Heard) -> Error {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                if let Some(topic) = topic(&notification) {
                    heard.by(topic).send_replace(());
                }
            }
            Ok(Ok(None)) => return Error::Unavailable(sqlx::Error::PoolClosed),
            Ok(Err(error)) => return error.into(),
            Err(_) => match timeout(ANSWER, sqlx::query("SELECT 1").execute(&mut listener)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.into(),
                Err(_) => return Error::Unavailable(sqlx::Error::PoolTimedOut),
            },
        }
    }
}

fn topic(notification: &PgNotification) -> Option<Topic> {
    TOPICS.into_iter().find(|topic| topic.channel() == notification.channel())
}

/// Listens on a connection of its own: one of the pool's would be missing there for good.
async fn connect(options: &PgConnectOptions) -> Result<PgListener> {
    let connecting = async {
        // The driver wants a pool to take it from. Each listener has a new one: the place of
        // a connection that was lost may be taken for as long as TCP believes in it.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen_all(TOPICS.map(Topic::channel)).await?;
        Ok(listener)
    };
    timeout(CONNECT, connecting).await.unwrap_or(Err(Error::Unavailable(sqlx::Error::PoolTimedOut)))
}
