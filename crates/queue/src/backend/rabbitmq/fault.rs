use std::{io, time::Duration};

use lapin::ErrorKind;

use tokio::time::Instant;

use crate::Error;

/// Longest wait for an answer. A server that is well answers within milliseconds.
const ANSWER: Duration = Duration::from_secs(10);

/// Why the server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Lapin(#[from] lapin::Error),
    #[error("{0}")]
    Unfit(String),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Lapin(error) => Self::Broker { broker: super::NAME, source: error.into() },
            Fault::Unfit(said) => Self::Unfit(said),
        }
    }
}

/// Waits for an answer, and no longer than one can take.
pub(super) async fn answer<T>(
    asked: impl Future<Output = lapin::Result<T>>,
) -> Result<T, lapin::Error> {
    answer_by(latest(), asked).await
}

/// Until when the answer to something that is asked now must be there.
pub(super) fn latest() -> Instant {
    Instant::now() + ANSWER
}

/// Waits for an answer until a moment.
pub(super) async fn answer_by<T>(
    latest: Instant,
    asked: impl Future<Output = lapin::Result<T>>,
) -> Result<T, lapin::Error> {
    tokio::time::timeout_at(latest, asked).await.unwrap_or_else(|_| {
        let said = format!("no answer within {} s", ANSWER.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, said).into())
    })
}

/// An error of our own.
pub(super) fn said(text: &'static str) -> lapin::Error {
    io::Error::other(text).into()
}

/// The queue is not there.
pub(super) fn is_gone(error: &lapin::Error) -> bool {
    code(error) == Some(404)
}

/// The queue was declared with other arguments.
pub(super) fn is_other(error: &lapin::Error) -> bool {
    code(error) == Some(406) && error.to_string().contains("inequivalent")
}

/// The server does not know such queues, or was told not to make them. Any other trouble is
/// none of that: a queue of the wrong type stays.
pub(super) fn is_unknown(error: &lapin::Error) -> bool {
    let says = |text| error.to_string().contains(text);
    match code(error) {
        Some(406) => !is_other(error) && says("x-queue-type"),
        Some(540) => true,
        Some(541) => says("feature flag"),
        _ => false,
    }
}

/// The protocol's number of what is wrong.
fn code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}
