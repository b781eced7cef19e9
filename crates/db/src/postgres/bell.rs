//! LISTEN and NOTIFY: who changed something rings, and who waits is woken.
//!
//! ```text
//! a commit ──► Bell::ring ──► ringer ──NOTIFY──► Postgres ──► listener ──► every Wakeup of its topic
//!                             one a topic                     one connection a process
//! ```
//!
//! Committing a NOTIFY takes a lock on the whole server, and thousands of commits
//! a second would stand in line for it. So a ring is part of the transaction that
//! writes a message only after a quiet time (`Bell::along`); all others follow their
//! transactions, and those that follow each other are one, a moment later. A ring
//! that is lost with its process or its connection costs a waiter its bound, no more.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reelfleet_job::Kind;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::{
    sync::{Notify, OnceCell, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{CONNECT, connections::Connections};
use crate::{Error, PATIENCE, Result, Topic, Wakeup, wakeup::Task};

/// After a failure the next ring or reconnection is tried so much later.
const PAUSE: Duration = Duration::from_secs(1);

/// After so long a silence the listener asks whether the other end is still there, and for so
/// long it waits for the answer. Of a peer that has vanished TCP alone would never tell.
const SILENCE: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(5);

impl Topic {
    fn channel(self) -> String {
        match self {
            Self::Work(kind) => format!("reelfleet_work_{}", kind.as_str()),
            Self::Changes => "reelfleet_changes".to_owned(),
        }
    }

    /// The least time between two rings of one process. A message is waited for by a machine;
    /// nobody sees the difference between two changes within a tenth of a second.
    fn gap(self) -> Duration {
        match self {
            Self::Work(_) => Duration::from_millis(10),
            Self::Changes => Duration::from_millis(100),
        }
    }
}

/// Rings the channels for this process, and hears them for it.
#[derive(Clone)]
pub(super) struct Bell(Arc<Parts>);

struct Parts {
    ringers: ByTopic<Ringer>,
    options: PgConnectOptions,
    heard: Arc<Heard>,
    /// There as soon as anybody waits.
    listener: OnceCell<Arc<Task>>,
}

struct Ringer {
    pulled: Arc<Notify>,
    quiet: Quiet,
    _task: Task,
}

/// Until when this process has rung enough.
#[derive(Clone, Default)]
struct Quiet(Arc<Mutex<Option<Instant>>>);

/// What a transaction rings, and what is rung after it.
pub(super) struct Along {
    /// The channels for the transaction to notify.
    pub(super) channels: Vec<String>,
    later: Vec<Topic>,
}

/// Tells everybody who waits in this process.
type Heard = ByTopic<watch::Sender<()>>;

struct ByTopic<T> {
    transcode: T,
    noop: T,
    changes: T,
}

impl<T> ByTopic<T> {
    fn new(make: impl Fn(Topic) -> T) -> Self {
        Self {
            transcode: make(Topic::Work(Kind::Transcode)),
            noop: make(Topic::Work(Kind::Noop)),
            changes: make(Topic::Changes),
        }
    }

    fn of(&self, topic: Topic) -> &T {
        match topic {
            Topic::Work(Kind::Transcode) => &self.transcode,
            Topic::Work(Kind::Noop) => &self.noop,
            Topic::Changes => &self.changes,
        }
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bell")
    }
}

impl Bell {
    pub(super) fn new(pool: Connections, options: PgConnectOptions) -> Self {
        Self(Arc::new(Parts {
            ringers: ByTopic::new(|topic| Ringer::of(topic, pool.clone())),
            options,
            heard: Arc::new(ByTopic::new(|_| watch::Sender::default())),
            listener: OnceCell::new(),
        }))
    }

    /// Something was committed that somebody may wait for.
    pub(super) fn ring(&self, topic: Topic) {
        self.0.ringers.of(topic).pulled.notify_one();
    }

    /// Before a transaction that somebody waits for: those of these topics whose quiet time is over
    /// it rings itself, and saves the waiter the way of another statement.
    pub(super) fn along(&self, topics: impl IntoIterator<Item = Topic>) -> Along {
        let quiet = |topic: &Topic| self.0.ringers.of(*topic).quiet.end(*topic);
        let (now, later): (Vec<Topic>, Vec<Topic>) = topics.into_iter().partition(quiet);
        Along { channels: now.into_iter().map(Topic::channel).collect(), later }
    }

    /// That transaction was committed.
    pub(super) fn ring_later(&self, along: &Along) {
        for topic in &along.later {
            self.ring(*topic);
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
        Ok(Wakeup::by_task(heard.of(topic).subscribe(), Arc::clone(task)))
    }
}

impl Quiet {
    /// Whether the quiet time is over; then the next one begins, with a ring.
    fn end(&self, topic: Topic) -> bool {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let over = until.is_none_or(|until| until <= now);
        if over {
            *until = Some(now + topic.gap());
        }
        over
    }

    /// Waits until the quiet time is over, and begins the next one.
    async fn wait(&self, topic: Topic) {
        while !self.end(topic) {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            sleep_until(until.unwrap_or_else(Instant::now)).await;
        }
    }
}

impl Ringer {
    fn of(topic: Topic, pool: Connections) -> Self {
        let (pulled, quiet) = (Arc::new(Notify::new()), Quiet::default());
        let (pull, silence) = (Arc::clone(&pulled), quiet.clone());
        let task = tokio::spawn(async move {
            let channel = topic.channel();
            loop {
                pull.notified().await;
                silence.wait(topic).await;
                let tell = sqlx::query("SELECT pg_notify($1, '')").bind(&channel).execute(&pool);
                let told = timeout(PATIENCE, tell).await;
                let heard = matches!(told, Ok(Ok(_)));
                if !heard {
                    tracing::debug!(?told, "nobody was woken: they look for themselves");
                    sleep(PAUSE).await;
                }
            }
        });
        Self { pulled, quiet, _task: Task(task) }
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
                for topic in Topic::all() {
                    heard.of(topic).send_replace(());
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
                    heard.of(topic).send_replace(());
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
    Topic::all().find(|topic| topic.channel() == notification.channel())
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
        let channels: Vec<_> = Topic::all().map(Topic::channel).collect();
        listener.listen_all(channels.iter().map(String::as_str)).await?;
        Ok(listener)
    };
    timeout(CONNECT, connecting).await.unwrap_or(Err(Error::Unavailable(sqlx::Error::PoolTimedOut)))
}
