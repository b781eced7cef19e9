//! What is wrong with an output: what it holds, or that it could not be read.

use std::fmt;
use std::io;

use crate::{Code, Error};

/// Why an output is not handed over.
#[derive(Debug)]
pub(super) enum Defect {
    /// It was read and is not what was planned: the input's fault.
    Content(String),
    /// It could not be read: ours.
    Io(io::Error),
}

impl From<io::Error> for Defect {
    fn from(err: io::Error) -> Self {
        match err.kind() {
            // These two say what the bytes are, not that they did not come.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                Defect::Content(err.to_string())
            }
            _ => Defect::Io(err),
        }
    }
}

impl From<mp4_atom::Error> for Defect {
    fn from(err: mp4_atom::Error) -> Self {
        match err {
            mp4_atom::Error::Io(err) => err.into(),
            other => Defect::Content(format!("a box is malformed: {other}")),
        }
    }
}

impl From<String> for Defect {
    fn from(detail: String) -> Self {
        Defect::Content(detail)
    }
}

impl From<&str> for Defect {
    fn from(detail: &str) -> Self {
        Defect::Content(detail.to_owned())
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::Content(detail) => f.write_str(detail),
            Defect::Io(err) => write!(f, "unreadable: {err}"),
        }
    }
}

/// Refuses an output; the detail is for the log, the sentence for the owner.
pub(super) fn wrong(defect: impl Into<Defect>) -> Error {
    let defect = defect.into();
    tracing::warn!(%defect, "output refused");
    match defect {
        Defect::Content(_) => Code::OutputMismatch.into(),
        Defect::Io(err) => Error::io("reading an output", &err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_bytes_say_is_held_against_the_input() {
        for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidData] {
            assert!(matches!(wrong(io::Error::from(kind)), Error::Rejected(_)), "{kind}");
        }
        for errno in [rustix::io::Errno::IO, rustix::io::Errno::MFILE, rustix::io::Errno::ACCESS] {
            let err = io::Error::from(errno);
            assert!(matches!(wrong(mp4_atom::Error::Io(err)), Error::Failed(_)), "{errno}");
        }
        assert!(matches!(wrong(mp4_atom::Error::ShortRead), Error::Rejected(_)));
        assert!(matches!(wrong("no movie box"), Error::Rejected(_)));
    }
}
