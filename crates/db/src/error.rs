/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something unique is there already (an e-mail address).
    #[error("already taken")]
    Taken,
    /// The disk that holds the database is full.
    #[error("the database's disk is full")]
    DiskFull,
    /// The database is away or too busy; the same call may work later.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A row holds something that this version cannot read.
    #[error("a row of the database cannot be read: {0}")]
    Damaged(String),
    /// The schema is not there yet, or older than the one that this version needs: migrations lead from it.
    #[error("the database's schema does not fit this version: {0}")]
    Schema(String),
    /// The schema is one that this version does not work on, and that none of its migrations leads from.
    #[error("the database's schema does not fit this version: {0}")]
    OtherSchema(String),
    /// Anything else that the database said.
    #[error("the database refused: {0}")]
    Refused(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(refusal) if refusal.is_unique_violation() => Self::Taken,
            // Postgres's codes have five characters, SQLite's at most four digits.
            sqlx::Error::Database(refusal)
                if refusal.code().is_some_and(|code| code.len() == 5) =>
            {
                match refusal.code().as_deref().unwrap_or_default() {
                    "53100" => Self::DiskFull,
                    // Connection lost; resources short; shut down; deadlock; read-only standby; lock.
                    code if ["08", "53", "57P", "40", "25006", "55P03"]
                        .iter()
                        .any(|class| code.starts_with(class)) =>
                    {
                        Self::Unavailable(error)
                    }
                    _ => Self::Refused(error),
                }
            }
            // SQLITE_FULL is 13; SQLite's own words for it are stable too.
            sqlx::Error::Database(refusal)
                if refusal.code().as_deref() == Some("13")
                    || refusal.message().contains("disk is full") =>
            {
                Self::DiskFull
            }
            // SQLITE_BUSY 5, LOCKED 6, IOERR 10, CANTOPEN 14, with their extended codes in the low byte.
            sqlx::Error::Database(refusal)
                if refusal
                    .code()
                    .and_then(|code| code.parse::<u32>().ok())
                    .is_some_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 14)) =>
            {
                Self::Unavailable(error)
            }
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
    }
}

impl Error {
    /// Reading a row went wrong.
    pub(crate) fn damaged(error: impl std::fmt::Display) -> Self {
        Self::Damaged(error.to_string())
    }
}
