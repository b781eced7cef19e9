//! Waits for a send to any of some streams.

use std::{pin::pin, time::Duration};

use redis::{RedisError, RedisResult};
use reelfleet_runtime::Shutdown;
use tokio::time::{Instant, timeout};

use super::{
    link::{Link, Reader},
    script::{Verdict, settle},
    stream::{Stream, Taken, Token},
};

/// The longest wait that the server is asked for. It bounds how long one goes on for a receiver
/// whose machine has gone without a word.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// How much later than it should the server may end a wait by itself. (Some versions begin a wait
/// anew whenever another receiver got what came.)
const LATE: Duration = Duration::from_millis(500);

/// How often the server is asked to end a wait, and for how long.
const ASK: Duration = Duration::from_millis(100);
const GRACE: Duration = Duration::from_secs(2);

/// A stream's key, and what came from it: ids with their fields and values.
type Came = (String, Vec<(String, Vec<Vec<u8>>)>);

/// Waits for messages of any of the streams for `at_most`, or until the drain begins. What came
/// in that moment is in the answer all the same: the server ends the wait, and says how.
pub(super) async fn wait(
    link: &Link,
    streams: &[Stream],
    limit: u32,
    at_most: Duration,
    shutdown: &Shutdown,
) -> RedisResult<Vec<Taken>> {
    let mut reader = link.reader().await?;
    match read(link, &mut reader, streams, limit, at_most.min(LOOK), shutdown).await {
        Ok(came) => {
            link.put_back(reader);
            Ok(keep(link, sort(streams, came.unwrap_or_default()), limit).await)
        }
        Err(error) => {
            link.drop_idle();
            Err(error)
        }
    }
}

async fn read(
    link: &Link,
    reader: &mut Reader,
    streams: &[Stream],
    limit: u32,
    at_most: Duration,
    shutdown: &Shutdown,
) -> RedisResult<Option<Vec<Came>>> {
    let mut command = redis::cmd("XREADGROUP");
    command.arg("GROUP").arg("fleet").arg("fleet").arg("COUNT").arg(limit);
    // Zero would be for ever.
    command.arg("BLOCK").arg(at_most.as_millis().max(1) as u64).arg("STREAMS");
    for stream in streams {
        command.arg(stream.key());
    }
    for _ in streams {
        command.arg(">");
    }
    let mut reply = pin!(command.query_async(&mut reader.connection));
    tokio::select! {
        reply = &mut reply => return reply,
        () = shutdown.drain().cancelled() => {}
        () = tokio::time::sleep(at_most + LATE) => {}
    }
    let given_up = Instant::now() + GRACE;
    while Instant::now() < given_up {
        if let Some(id) = reader.id {
            // Not done when the wait has just not begun, or has ended: asked again, or answered.
            let asked = link.call(|mut connection| async move {
                redis::cmd("CLIENT").arg("UNBLOCK").arg(id).query_async::<u8>(&mut connection).await
            });
            let _ = timeout(ASK, asked).await;
        }
        if let Ok(reply) = timeout(ASK, &mut reply).await {
            return reply;
        }
    }
    // Nothing more is known about it. What it may have brought comes to another when it is no
    // longer hidden.
    Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))
}

/// In the order of the streams.
fn sort(streams: &[Stream], came: Vec<Came>) -> Vec<Taken> {
    let mut taken = Vec::new();
    for stream in streams {
        let key = stream.key();
        for (id, fields) in came.iter().filter(|(from, _)| *from == key).flat_map(|(_, all)| all) {
            let token = Token { stream: *stream, id: id.clone(), times: 1 };
            let ours = fields.chunks(2).find(|pair| pair[0] == b"m").and_then(|pair| pair.get(1));
            let body = ours.map_or_else(|| fields.join(&b' '), Clone::clone);
            taken.push(Taken::new(token, &body));
        }
    }
    taken
}

/// The limit is for each stream there, so more can come when several were empty until now.
async fn keep(link: &Link, mut taken: Vec<Taken>, limit: u32) -> Vec<Taken> {
    let excess = taken.split_off(taken.len().min(limit as usize));
    if !excess.is_empty() {
        let tokens: Vec<_> = excess.iter().map(|taken| &taken.token).collect();
        if let Err(error) = settle(link, Verdict::Release, &tokens).await {
            tracing::warn!(error = %link.failure(error), "messages come again by themselves later");
        }
    }
    taken
}
