use std::{io, process::ExitCode};

use serde::Deserialize;

use super::render;

/// What the exit codes mean, for the help text.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed (or not every video is ready), \
2 wrong arguments, 64 wrong configuration, 69 no fleet to talk to.";

/// An error as the API tells it (RFC 9457).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) title: String,
    pub(super) detail: String,
    /// Seconds, from the header `Retry-After`.
    #[serde(skip)]
    pub(super) retry_after: Option<u64>,
}

impl Problem {
    /// The sentence, with its code.
    pub(super) fn sentence(&self) -> String {
        let text = if self.detail.is_empty() { &self.title } else { &self.detail };
        render::reason(&self.code, text)
    }
}

/// Why a command failed, told so that its user knows what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
    /// A variable or the fleet's file is wrong.
    #[error("{0}")]
    Config(String),
    /// Nothing that we know of runs.
    #[error("{0}")]
    NoFleet(String),
    /// Nobody answers, or the connection broke.
    #[error("{url} does not answer: {why}. {hint}")]
    Unreachable { url: String, why: String, hint: String },
    /// The token is not accepted.
    #[error("the token was refused: {sentence} {hint}")]
    Refused { sentence: String, hint: String },
    /// The API said no.
    #[error("{}", .0.sentence())]
    Problem(Problem),
    /// The answer is none of ours.
    #[error("{0}")]
    Answer(String),
    /// A file cannot be sent.
    #[error("{0}")]
    File(String),
    /// Everything was said already; it only remains to exit.
    #[error("not everything succeeded")]
    Told,
    /// The same, because no fleet answered.
    #[error("the fleet is not available")]
    ToldUnavailable,
    /// Nobody reads what we print.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

impl Failure {
    /// Trying again later may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Problem(problem) => matches!(problem.status, 408 | 429 | 500 | 502..=504),
            _ => false,
        }
    }

    /// There is no fleet to talk to, or it says that it cannot work now.
    pub(super) fn is_unavailable(&self) -> bool {
        match self {
            Self::NoFleet(_) | Self::Unreachable { .. } | Self::ToldUnavailable => true,
            Self::Problem(problem) => matches!(problem.status, 502..=504),
            _ => false,
        }
    }

    /// What to say. Nothing when the reader of our output has simply gone, as `head` does.
    pub(super) fn sentence(&self) -> Option<String> {
        match self {
            Self::Told | Self::ToldUnavailable => None,
            Self::Print(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            failure => Some(format!("reelfleet: {failure}")),
        }
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Print(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Usage(_) => 2,
            Self::Config(_) => 64,
            failure if failure.is_unavailable() => 69,
            _ => 1,
        })
    }
}
