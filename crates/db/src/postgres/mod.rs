//! Postgres: a bounded pool of connections, and a channel that rings when something changed.

mod bell;
mod claims;
mod connections;
mod decode;
mod duties;
mod fleet;
mod jobs;
mod letters;
mod messages;
mod next;
mod relay;
mod submit;
mod users;
mod videos;
mod work;
mod workers;

use std::time::Duration;

use sqlx::{
    migrate::Migrator,
    postgres::{PgConnectOptions, PgSslMode},
};

use self::{
    bell::Bell,
    connections::{Connections, Transaction},
};
use crate::{DatabaseConfig, Error, Result, Topic, Wakeup, config::SslMode, schema};

/// This version's migrations. What newer versions have made besides is passed over.
pub(crate) fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!("migrations/postgres");
    migrations.set_ignore_missing(true);
    migrations
}

/// How long a call waits for a connection before the database counts as away.
const CONNECT: Duration = Duration::from_secs(5);

/// A Postgres database.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    pool: Connections,
    bell: Bell,
    places: next::Places,
}

impl Postgres {
    pub(crate) async fn open(config: &DatabaseConfig) -> Result<Self> {
        let options = connect_options(config)?;
        let pool = Connections::new(options.clone(), config.max_connections)?;
        // A server that is not there is told now, not at the first call.
        pool.take().await?;
        let bell = Bell::new(pool.clone(), options);
        Ok(Self { pool, bell, places: next::Places::default() })
    }

    pub(crate) async fn migrate(&self) -> Result<()> {
        match self.check().await {
            // There is nothing to do. Or nothing can be done: the driver would say so, too, but not in plain words.
            settled @ (Ok(()) | Err(Error::OtherSchema(_))) => settled,
            _ => {
                self.make().await?;
                // A newer version may have done it meanwhile, and more.
                self.check().await
            }
        }
    }

    async fn make(&self) -> Result<()> {
        let mut connection = self.pool.take().await?;
        let made = migrations().run_direct(None, &mut *connection, false).await;
        made.map_err(|error| Error::Schema(error.to_string()))
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
        let migrations = migrations();
        match schema::check(&applied, &migrations)? {
            None => Ok(()),
            Some(last) => schema::check_floor(self.floor().await?, last, &migrations),
        }
    }

    async fn floor(&self) -> Result<Option<i64>> {
        let floor = "SELECT migration FROM schema_floor";
        Ok(sqlx::query_scalar(floor).fetch_optional(&self.pool).await?)
    }

    pub(crate) async fn wakeup(&self, topic: Topic) -> Result<Wakeup> {
        self.bell.listen(topic).await
    }

    /// Begins a transaction. All of them lock in one order, so that no two wait for each other
    /// in a circle: a user, then its links; a video, then its job, then what belongs to the job.
    /// Who needs only the job locks only the job. Several rows of one table are locked in the order
    /// of their ids (messages: of their jobs), or those that are locked are skipped.
    async fn begin(&self) -> Result<Transaction> {
        Ok(self.pool.begin().await?)
    }
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
