//! Postgres: a bounded pool of connections, and a channel that rings when something changed.

mod bell;
mod claims;
mod decode;
mod duties;
mod fleet;
mod jobs;
mod letters;
mod messages;
mod relay;
mod submit;
mod users;
mod videos;
mod workers;

use std::time::Duration;

use sqlx::{
    Connection, PgConnection, PgPool, Postgres as Driver, Transaction,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};
use tokio::time::timeout;

use self::bell::Bell;
use crate::{DatabaseConfig, Error, Result, Topic, Wakeup, config::SslMode};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a call waits for a connection before the database counts as away.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an idle connection may take to show that it is there. It leaves time to make another.
const ECHO: Duration = Duration::from_secs(2);

/// A connection that answered so lately is not asked again.
const FRESH: Duration = Duration::from_millis(100);

/// A Postgres database.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    pool: PgPool,
    bell: Bell,
}

impl Postgres {
    pub(crate) async fn open(config: &DatabaseConfig) -> Result<Self> {
        let options = connect_options(config)?;
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(CONNECT)
            // The pool's own looks have no bound: where the other end has vanished without a
            // word, each would keep its place in the pool for a quarter of an hour.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move { Ok(meta.idle_for < FRESH || answers(connection).await) })
            })
            .after_release(|connection, _| Box::pin(async { Ok(answers(connection).await) }))
            .connect_with(options.clone())
            .await?;
        let bell = Bell::new(pool.clone(), options);
        Ok(Self { pool, bell })
    }

    pub(crate) async fn migrate(&self) -> Result<()> {
        match self.check().await {
            // The driver would say so, too, but not in plain words.
            Err(error @ Error::OtherSchema(_)) => Err(error),
            _ => MIGRATIONS.run(&self.pool).await.map_err(|error| Error::Schema(error.to_string())),
        }
    }

    pub(crate) async fn check(&self) -> Result<()> {
        let migrated: bool =
            sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
                .fetch_one(&self.pool)
                .await?;
        let applied: Vec<(i64, Vec<u8>)> = if migrated {
            sqlx::query_as(
                "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version",
            )
            .fetch_all(&self.pool)
            .await?
        } else {
            Vec::new()
        };
        crate::schema::check(&applied, &MIGRATIONS)
    }

    pub(crate) async fn wakeup(&self, topic: Topic) -> Result<Wakeup> {
        self.bell.listen(topic).await
    }

    /// Begins a transaction. All of them lock in one order, so that no two wait for each other
    /// in a circle: a user, then its links; a video, then its job, then what belongs to the job.
    /// Who needs only the job locks only the job. Several rows of one table are locked in the order
    /// of their ids (messages: of their jobs), or those that are locked are skipped.
    async fn begin(&self) -> Result<Transaction<'static, Driver>> {
        Ok(self.pool.begin().await?)
    }
}

/// Whether the other end of a connection is there. What a call left undone is finished first.
async fn answers(connection: &mut PgConnection) -> bool {
    matches!(timeout(ECHO, connection.ping()).await, Ok(Ok(())))
}

fn connect_options(config: &DatabaseConfig) -> Result<PgConnectOptions> {
    let options: PgConnectOptions = config.url().parse()?;
    let options = options.application_name("reelfleet");
    Ok(match config.ssl_mode {
        Some(SslMode::Disable) => options.ssl_mode(PgSslMode::Disable),
        Some(SslMode::Require) => options.ssl_mode(PgSslMode::Require),
        Some(SslMode::VerifyFull) => options.ssl_mode(PgSslMode::VerifyFull),
        None => options,
    })
}

/// A duration as the rows have it.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A number as the rows have it. Epochs and sizes never near the limit.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
