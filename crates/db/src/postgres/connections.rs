//! A bounded pool of connections. Nothing that is done to one takes longer than its bound,
//! whatever became of its other end.
//!
//! The driver has a pool, too. It asks each connection that comes back whether it is still there,
//! and waits for that answer without a bound: a server that vanishes in that moment takes the
//! place in the pool with it for as long as TCP believes in it, a quarter of an hour.

mod executor;

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use deadpool::{
    Runtime,
    managed::{self, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult},
};
use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use super::CONNECT;

/// How long a connection may take to show that it is there. It leaves time to make another.
const ECHO: Duration = Duration::from_secs(2);

/// A connection that was taken so lately is not asked again.
const FRESH: Duration = Duration::from_millis(100);

/// A connection is replaced when it is so old: a server that was added or moved gets its share.
const OLD: Duration = Duration::from_mins(30);

/// Each statement here is meant to go by an index, and in its order. Left to itself the planner
/// reads the whole of a table that was small when the statement was first run, and keeps to that
/// when it is long; and of a table that nobody has counted yet it expects so little that it would
/// rather sort a whole lane for each batch. Where there is no index for it a plan then counts as so
/// dear that it would be compiled, which takes longer than to run it.
const SETTINGS: &str = "SET enable_seqscan = off; SET enable_sort = off; SET jit = off";

/// Between two tries to connect to a server that is just starting. Each is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The connections of this process, made when they are needed.
#[derive(Clone)]
pub(super) struct Connections(Pool<Connector>);

struct Connector {
    options: PgConnectOptions,
    /// When a connection last failed to answer. Those that were idle then are not asked: each
    /// would take as long to be found out.
    doubted: Mutex<Option<Instant>>,
}

impl Connections {
    /// At most `most` at a time. None is made yet.
    pub(super) fn new(options: PgConnectOptions, most: u32) -> sqlx::Result<Self> {
        Pool::builder(Connector { options, doubted: Mutex::default() })
            .max_size(usize::try_from(most).unwrap_or(usize::MAX))
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT))
            .create_timeout(Some(CONNECT))
            .build()
            .map(Self)
            .map_err(|error| sqlx::Error::Configuration(error.into()))
    }

    /// A connection, for as long as it is held.
    pub(super) async fn take(&self) -> sqlx::Result<Held> {
        match self.0.get().await {
            Ok(connection) => Ok(Held { connection: Some(connection), left: Left::Nothing }),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(sqlx::Error::PoolClosed),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// Begins a transaction. It is rolled back unless it is committed.
    pub(super) async fn begin(&self) -> sqlx::Result<Transaction> {
        let mut held = self.take().await?;
        held.left = Left::Transaction;
        held.execute("BEGIN").await?;
        Ok(Transaction(held))
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}

impl managed::Manager for Connector {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<PgConnection> {
        let mut pause = FIRST_PAUSE;
        loop {
            match PgConnection::connect_with(&self.options).await {
                Err(error) if is_starting(&error) => {}
                Err(error) => return Err(error),
                Ok(mut connection) => {
                    connection.execute(SETTINGS).await?;
                    return Ok(connection);
                }
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn recycle(
        &self,
        connection: &mut PgConnection,
        metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        if metrics.age() > OLD {
            return Err(RecycleError::message("it is old"));
        }
        if metrics.last_used() < FRESH {
            return Ok(());
        }
        if self.doubts(metrics.recycled.unwrap_or(metrics.created)) {
            return Err(RecycleError::message("another one, used later, did not answer"));
        }
        self.echo(connection.ping()).await.map_err(|error| RecycleError::Message(error.into()))
    }
}

impl Connector {
    fn doubts(&self, used: Instant) -> bool {
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| used < at)
    }

    /// Waits for an answer, but not for long.
    async fn echo<T>(
        &self,
        answer: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<(), &'static str> {
        match timeout(ECHO, answer).await {
            Ok(Ok(_)) => Ok(()),
            _ => {
                *self.doubted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                Err("it did not answer")
            }
        }
    }
}

/// Whether a server that says this may well be there in a moment.
fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        // Too many connections; shutting down; starting.
        sqlx::Error::Database(error) => {
            matches!(error.code().as_deref(), Some("53300" | "57P01" | "57P03"))
        }
        _ => false,
    }
}

/// A connection outside the pool. It goes back on its own, once it is fit for the next.
pub(super) struct Held {
    /// There until it is dropped.
    connection: Option<Object<Connector>>,
    left: Left,
}

/// What a connection that comes back has still to do.
#[derive(Clone, Copy)]
enum Left {
    Nothing,
    /// The rest of an answer is to be read.
    Answer,
    /// A transaction is to be rolled back.
    Transaction,
}

impl Deref for Held {
    type Target = PgConnection;

    #[expect(clippy::expect_used, reason = "it is taken out only where this is dropped")]
    fn deref(&self) -> &PgConnection {
        // Unwrap safety: it is taken out only where this is dropped.
        self.connection.as_deref().expect("a connection that is held")
    }
}

impl DerefMut for Held {
    #[expect(clippy::expect_used, reason = "it is taken out only where this is dropped")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        // Unwrap safety: it is taken out only where this is dropped.
        self.connection.as_deref_mut().expect("a connection that is held")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // A call that failed, or that nobody waits for any more: what it locked is let go now,
        // not when the connection is next used.
        match (self.left, Handle::try_current()) {
            (Left::Nothing, _) => drop(connection),
            (left, Ok(runtime)) => drop(runtime.spawn(settle(connection, left))),
            (_, Err(_)) => drop(Object::take(connection)),
        }
    }
}

/// Ends what is under way on a connection, or ends the connection: the server then undoes it.
async fn settle(mut connection: Object<Connector>, left: Left) {
    let Some(pool) = Object::pool(&connection) else { return };
    let answer = async {
        match left {
            Left::Transaction => connection.execute("ROLLBACK").await.map(drop),
            Left::Answer | Left::Nothing => connection.ping().await,
        }
    };
    if pool.manager().echo(answer).await.is_err() {
        drop(Object::take(connection));
    }
}

/// A transaction on a connection of the pool.
pub(super) struct Transaction(Held);

impl Transaction {
    pub(super) async fn commit(mut self) -> sqlx::Result<()> {
        self.0.execute("COMMIT").await?;
        self.0.left = Left::Nothing;
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
