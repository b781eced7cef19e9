use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::Error;

/// What Redis or its client said, and what to do about it. Never the URL, which may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("{at}: {said}{}{}", if .advice.is_empty() { "" } else { ": " }, .advice)]
struct Failure {
    at: String,
    #[source]
    said: RedisError,
    advice: &'static str,
}

/// The error as the queue's callers know it.
pub(super) fn failure(at: &str, said: RedisError) -> Error {
    let advice = advice(&said);
    Error::Broker { broker: "redis", source: Box::new(Failure { at: at.to_owned(), said, advice }) }
}

/// A passing state of the server: worth another try in a moment.
pub(super) fn passes(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly, TryAgain};
    match error.kind() {
        ErrorKind::Server(kind) => {
            matches!(kind, BusyLoading | ClusterDown | MasterDown | ReadOnly | TryAgain)
        }
        _ => error.is_io_error() || matches!(error.code(), Some("UNBLOCKED" | "NOGROUP" | "BUSY")),
    }
}

/// The connection is of no more use. After a failover, a new one leads to the new primary.
pub(super) fn spent(error: &RedisError) -> bool {
    use ServerErrorKind::{MasterDown, ReadOnly};
    error.is_io_error()
        || error.is_unrecoverable_error()
        || matches!(error.kind(), ErrorKind::Server(ReadOnly | MasterDown))
}

fn advice(error: &RedisError) -> &'static str {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::ReadOnly) => {
            "this server is a replica; REDIS_URL must lead to the primary"
        }
        ErrorKind::Server(ServerErrorKind::BusyLoading) => {
            "it is reading its data after a start, and will be there in a moment"
        }
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            "the user in REDIS_URL needs the keys `{reelfleet}:*`, and the commands EVALSHA, SCRIPT LOAD, INFO, CLIENT and all of streams"
        }
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::CrossSlot) => {
            "this is a cluster of several shards; REDIS_URL must lead to a server with cluster mode off"
        }
        ErrorKind::AuthenticationFailed => "check the user and the password in REDIS_URL",
        ErrorKind::Io if error.is_timeout() => "it did not answer in time",
        ErrorKind::Io if error.is_connection_refusal() => {
            "no Redis listens there; start it, or correct REDIS_URL"
        }
        _ => match error.code() {
            Some("OOM") => "Redis is full; raise its `maxmemory`, or let workers take what waits",
            Some("MISCONF") => "Redis cannot write to its disk; see its log",
            Some("NOAUTH" | "WRONGPASS") => "check the user and the password in REDIS_URL",
            Some("WRONGTYPE") => {
                "something else uses the keys `{reelfleet}:*`; name another database in REDIS_URL"
            }
            _ => "",
        },
    }
}
