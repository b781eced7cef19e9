use reelfleet_job::Lane;

use crate::backend::{self, Receipt};

/// One stream with one consumer group, `fleet`, which has one consumer, `fleet`: who holds a
/// message is nobody's business, and workers that are gone leave no consumer behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Lane(Lane),
    Dead,
}

impl Stream {
    /// Its key. The braces keep all of them in one slot, as scripts that use several need it.
    pub(super) fn key(self) -> String {
        match self {
            Self::Lane(lane) => format!("{{reelfleet}}:{lane}"),
            Self::Dead => "{reelfleet}:dead".to_owned(),
        }
    }
}

/// One delivery of a message: the count tells it from those before and after it.
#[derive(Debug, Clone)]
pub(in crate::backend) struct Token {
    pub(super) stream: Stream,
    pub(super) id: String,
    pub(super) times: u64,
}

/// A message that was handed out.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) token: Token,
    pub(super) body: String,
}

impl Taken {
    /// A body need not be text: anybody may write into a stream.
    pub(super) fn new(token: Token, body: &[u8]) -> Self {
        Self { token, body: String::from_utf8_lossy(body).into_owned() }
    }

    pub(super) fn received(self) -> (String, Receipt) {
        (self.body, Receipt(backend::Token::Redis(self.token)))
    }
}
