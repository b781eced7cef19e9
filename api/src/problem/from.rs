//! Errors of the crates below, as their users may see them. Each is logged here, where it is handled.

use super::{Problem, codes};

/// How long clients wait before they try again what was away.
const AWAY_S: u64 = 2;
/// How long clients wait before they try again what had no space.
const FULL_S: u64 = 30;

/// No space: the client comes back later.
pub(crate) fn disk_full() -> Problem {
    Problem::new(&codes::DISK_FULL, "There is no space left on the server. Try again later.")
        .retry_after(FULL_S)
}

/// Something below is away or too busy for now.
pub(crate) fn busy() -> Problem {
    Problem::new(&codes::BUSY, "The server is too busy for this now. Try again in a moment.")
        .retry_after(AWAY_S)
}

/// A fault of ours. What it was is in the log only.
pub(crate) fn internal() -> Problem {
    Problem::new(&codes::INTERNAL, "This is a fault of the server. It has been noted.")
}

impl From<reelfleet_db::Error> for Problem {
    fn from(error: reelfleet_db::Error) -> Self {
        (&error).into()
    }
}

impl From<&reelfleet_db::Error> for Problem {
    fn from(error: &reelfleet_db::Error) -> Self {
        match error {
            reelfleet_db::Error::DiskFull => {
                tracing::warn!("the database's disk is full");
                disk_full()
            }
            reelfleet_db::Error::Unavailable(cause) => {
                tracing::warn!(%cause, "the database is not available");
                busy()
            }
            _ => {
                tracing::error!(%error, "a call of the database failed");
                internal()
            }
        }
    }
}

impl From<reelfleet_queue::Error> for Problem {
    fn from(error: reelfleet_queue::Error) -> Self {
        (&error).into()
    }
}

impl From<&reelfleet_queue::Error> for Problem {
    fn from(error: &reelfleet_queue::Error) -> Self {
        match error {
            reelfleet_queue::Error::Db(error) => error.into(),
            error => {
                tracing::warn!(%error, "a call of the queue failed");
                busy()
            }
        }
    }
}

impl From<reelfleet_storage::Error> for Problem {
    fn from(error: reelfleet_storage::Error) -> Self {
        match &error {
            reelfleet_storage::Error::DiskFull => {
                tracing::warn!("the storage's disk is full");
                disk_full()
            }
            reelfleet_storage::Error::Missing => {
                tracing::error!("a blob that the records name is missing");
                internal()
            }
            reelfleet_storage::Error::Unavailable(cause) => {
                tracing::error!(%cause, "the storage is not available");
                busy()
            }
        }
    }
}
