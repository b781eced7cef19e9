use std::io;

use rustix::io::Errno;

/// Why the storage could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No space is left; it works again once some is freed.
    #[error("the disk is full")]
    DiskFull,
    /// There is no such blob, or no such file to store.
    #[error("no such blob")]
    Missing,
    /// The disk is away, read-only or refuses us.
    #[error("the storage is not available: {0}")]
    Unavailable(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::DiskFull,
            _ => Self::Unavailable(error),
        }
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

impl Error {
    /// For calls in which "not found" speaks of the blob itself.
    pub(crate) fn of_blob(error: io::Error) -> Self {
        if is_missing(&error) { Self::Missing } else { error.into() }
    }
}

/// A path of which any part is not there.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_full_quota_are_told_from_a_broken_disk() {
        for (errno, full) in
            [(Errno::NOSPC, true), (Errno::DQUOT, true), (Errno::IO, false), (Errno::ROFS, false)]
        {
            assert_eq!(matches!(Error::from(errno), Error::DiskFull), full, "{errno:?}");
        }
    }
}
