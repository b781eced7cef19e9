//! SQLite in write-ahead mode: one writing connection and a few reading ones a process.

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
mod work;
mod workers;

use std::{
    fs::{self, OpenOptions, Permissions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use sqlx::{
    Connection, Sqlite as Driver, SqliteConnection, SqlitePool, Transaction,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Error, Result, Topic, Wakeup, schema};

/// This version's migrations. What newer versions have made besides is passed over.
pub(crate) fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!("migrations/sqlite");
    migrations.set_ignore_missing(true);
    migrations
}

/// How long a statement waits for another process's write before it gives up.
const BUSY: Duration = Duration::from_secs(10);

/// An SQLite database.
#[derive(Debug, Clone)]
pub(crate) struct Sqlite {
    path: PathBuf,
    /// One connection: SQLite has one writer, and waiting here is fairer than waiting in it.
    write: SqlitePool,
    read: SqlitePool,
    /// There as soon as anybody waits.
    wakeup: Arc<OnceLock<Wakeup>>,
}

impl Sqlite {
    pub(crate) async fn open(path: &str) -> Result<Self> {
        // Both `sqlite:path` and the longer `sqlite://path` are in use.
        let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
        make_private(&path);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An answered upload must survive a power cut, so every commit is synced.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .pragma("journal_size_limit", "67108864");
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY)
            .after_release(|connection, _| Box::pin(is_fit(connection)))
            .connect_with(options.clone())
            .await?;
        let read = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(BUSY)
            .connect_lazy_with(options.pragma("query_only", "on"));
        Ok(Self { path, write, read, wakeup: Arc::default() })
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
        let mut connection = self.write.acquire().await?;
        let made = migrations().run_direct(None, &mut *connection, false).await;
        made.map_err(|error| Error::Schema(error.to_string()))
    }

    pub(crate) async fn check(&self) -> Result<()> {
        let migrated: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')",
        )
        .fetch_one(&self.read)
        .await?;
        let mut applied = Vec::new();
        if migrated {
            applied =
                sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success")
                    .fetch_all(&self.read)
                    .await?;
        }
        let migrations = migrations();
        match schema::check(&applied, &migrations)? {
            None => Ok(()),
            Some(last) => schema::check_floor(self.floor().await?, last, &migrations),
        }
    }

    async fn floor(&self) -> Result<Option<i64>> {
        let floor = "SELECT migration FROM schema_floor";
        Ok(sqlx::query_scalar(floor).fetch_optional(&self.read).await?)
    }

    #[expect(clippy::unused_async, reason = "other databases connect here")]
    pub(crate) async fn wakeup(&self, _: Topic) -> Result<Wakeup> {
        Ok(self.wakeup.get_or_init(|| Wakeup::on_file(&self.path)).another())
    }

    /// Begins a transaction that may write. Taking the write lock at once means
    /// that it can wait for it; a read that turns into a write cannot.
    async fn begin(&self) -> Result<Transaction<'static, Driver>> {
        Ok(self.write.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// Whether a connection that comes back can begin a transaction again. Where the disk is full SQLite
/// rolls back by itself; the driver's own rollback then fails, and it takes the transaction for open
/// ever after.
async fn is_fit(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    if connection.is_in_transaction() {
        // What was begun to be rolled back is over when this is answered.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// Makes the database readable by its owner only: it holds password hashes. The files that SQLite
/// makes beside it take its mode.
///
/// One that is there must not be opened for it: closing it again would drop every lock that this
/// process has on the file (<https://sqlite.org/howtocorrupt.html>, 2.2).
fn make_private(path: &Path) {
    // What else is wrong with the path SQLite says itself, when it opens it.
    let _ = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    for end in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        let Ok(found) = fs::metadata(&file) else { continue };
        let mode = found.permissions().mode();
        if !found.is_file() || mode & 0o077 == 0 {
            continue;
        }
        if let Err(error) = fs::set_permissions(&file, Permissions::from_mode(mode & 0o700)) {
            let file = file.display();
            tracing::warn!(%error, "others can read {file}, and that cannot be changed");
        }
    }
}

/// The database's clock, in milliseconds. Stands still within a statement.
macro_rules! now {
    () => {
        "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    };
}
pub(crate) use now;

/// A duration as the rows have it.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
