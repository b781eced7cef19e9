//! How commands end. The numbers follow BSD's sysexits.h.

use std::{fmt, io::Write, process::ExitCode};

use reelfleet_runtime::BadConfig;

/// Why a command failed: what to print, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// The arguments are wrong (2).
    pub(crate) fn arguments(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), code: 2 }
    }

    /// The configuration is wrong (64).
    pub(crate) fn config(error: impl fmt::Display) -> Self {
        Self { message: error.to_string(), code: 64 }
    }

    /// Something that is needed is not there or does not answer (69).
    pub(crate) fn unavailable(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), code: 69 }
    }

    /// A fault of ours (70).
    pub(crate) fn software(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), code: 70 }
    }
}

impl From<BadConfig> for Failure {
    fn from(error: BadConfig) -> Self {
        Self::config(error)
    }
}

impl From<reelfleet_db::Error> for Failure {
    fn from(error: reelfleet_db::Error) -> Self {
        Self::unavailable(chain(&error))
    }
}

impl From<reelfleet_queue::Error> for Failure {
    fn from(error: reelfleet_queue::Error) -> Self {
        Self::unavailable(chain(&error))
    }
}

impl From<reelfleet_storage::Error> for Failure {
    fn from(error: reelfleet_storage::Error) -> Self {
        Self::unavailable(chain(&error))
    }
}

/// An error with everything that caused it, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some libraries say the cause in the error's own words, too.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

/// Runs a command and says on standard error why it failed.
pub(crate) fn of(command: impl FnOnce() -> Result<ExitCode, Failure>) -> ExitCode {
    command().unwrap_or_else(|failure| {
        // Nobody is left to tell when standard error itself is gone.
        let _ = writeln!(std::io::stderr(), "reelfleet: {}", failure.message);
        ExitCode::from(failure.code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{said}")]
    struct Said {
        said: &'static str,
        source: Option<Box<Said>>,
    }

    #[test]
    fn no_cause_is_said_twice() {
        let disk = Said { said: "no disk", source: None };
        let file = Said { said: "no file: no disk", source: Some(Box::new(disk)) };
        let error = Said { said: "no start", source: Some(Box::new(file)) };
        assert_eq!(chain(&error), "no start: no file: no disk");
    }
}
