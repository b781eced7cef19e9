//! What the server does in one step.

use std::sync::LazyLock;

use redis::{RedisResult, Script};

use super::{
    link::Link,
    stream::{Stream, Taken, Token},
};

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));
static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("settle.lua")));
static DEPTH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("depth.lua")));

/// How long a delivered message is hidden. A worker claims and acknowledges
/// within milliseconds; this only bounds the delay when it dies in between.
const HIDE_MS: u32 = 30_000;

/// Deliveries settled by one call: a server does nothing else meanwhile.
const SETTLED: usize = 500;

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verdict {
    Ack,
    Release,
}

/// Up to `limit` messages, the first streams first. With `look`, also those whose time has run out.
pub(super) async fn take(
    link: &Link,
    streams: &[Stream],
    limit: u32,
    look: bool,
) -> RedisResult<Vec<Taken>> {
    let mut invocation = TAKE.prepare_invoke();
    for stream in streams {
        invocation.key(stream.key());
    }
    invocation.arg(limit).arg(HIDE_MS).arg(u8::from(look));
    let invocation = &invocation;
    let taken: Vec<(usize, String, u64, Vec<u8>)> = link
        .call(|mut connection| async move { invocation.invoke_async(&mut connection).await })
        .await?;
    let token = |at: usize, id, times| {
        streams.get(at.wrapping_sub(1)).map(|stream| Token { stream: *stream, id, times })
    };
    Ok(taken
        .into_iter()
        .filter_map(|(at, id, times, body)| Some(Taken::new(token(at, id, times)?, &body)))
        .collect())
}

/// Acknowledges or releases the deliveries that are still ours.
pub(super) async fn settle(link: &Link, verdict: Verdict, tokens: &[&Token]) -> RedisResult<()> {
    for chunk in tokens.chunks(SETTLED) {
        let mut streams: Vec<Stream> = Vec::new();
        let mut invocation = SETTLE.prepare_invoke();
        invocation.arg(match verdict {
            Verdict::Ack => "ack",
            Verdict::Release => "release",
        });
        for token in chunk {
            let known = streams.iter().position(|stream| *stream == token.stream);
            let at = known.unwrap_or_else(|| {
                streams.push(token.stream);
                invocation.key(token.stream.key());
                streams.len() - 1
            });
            invocation.arg(at + 1).arg(&token.id).arg(token.times);
        }
        let invocation = &invocation;
        link.call(
            |mut connection| async move { invocation.invoke_async::<()>(&mut connection).await },
        )
        .await?;
    }
    Ok(())
}

/// For each stream, its messages, and how many of them are in hand.
pub(super) async fn depth(link: &Link, streams: &[Stream]) -> RedisResult<Vec<(u64, u64)>> {
    let mut invocation = DEPTH.prepare_invoke();
    for stream in streams {
        invocation.key(stream.key());
    }
    let invocation = &invocation;
    link.call(|mut connection| async move { invocation.invoke_async(&mut connection).await }).await
}
