//! The three ways work on a video ends without a result.

use crate::{Code, Reason};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Permanent: the input is bad, beyond a documented limit, or would give a
    /// wrong output. Never retried.
    #[error("{0}")]
    Rejected(Reason),
    /// Temporary: our machinery failed (disk full, killed, tool missing). Retried.
    #[error("{0}")]
    Failed(String),
    /// The caller's stop token fired; nothing is published.
    #[error("stopped")]
    Stopped,
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Error::Rejected(reason)
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Error::Rejected(code.reason())
    }
}

impl Error {
    /// An I/O error of ours, said with what we were doing.
    pub(crate) fn io(doing: &str, err: &std::io::Error) -> Self {
        Error::Failed(format!("{doing}: {err}"))
    }
}
