//! Messages that were received and that nobody has yet.

use std::mem;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::runtime::Handle;

use super::queues::{At, Queues, Raw, TEN};
use crate::Error;

/// Requests under way at once for one call.
pub(super) const AT_ONCE: usize = 16;

/// Received messages. Those that nobody takes out are released when it is dropped, wherever
/// that happens: otherwise they would stay hidden from everybody for as long as a delivery is.
#[derive(Debug)]
pub(super) struct Held {
    queues: Queues,
    messages: Vec<Raw>,
}

impl Held {
    pub(super) fn new(queues: &Queues, messages: Vec<Raw>) -> Self {
        Self { queues: queues.clone(), messages }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn append(&mut self, mut more: Self) {
        self.messages.append(&mut more.messages);
    }

    /// Takes out up to `limit`, by the order of `lanes`; what is left goes back.
    pub(super) fn take(mut self, lanes: &[At], limit: usize) -> Vec<Raw> {
        let mut all = mem::take(&mut self.messages);
        all.sort_by_key(|raw| lanes.iter().position(|lane| *lane == raw.at));
        self.messages = all.split_off(limit.min(all.len()));
        all
    }

    /// Gives all of it back, and returns when it is there.
    pub(super) async fn release(mut self) {
        release(&self.queues, mem::take(&mut self.messages)).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let messages = mem::take(&mut self.messages);
        if let (false, Ok(runtime)) = (messages.is_empty(), Handle::try_current()) {
            let queues = self.queues.clone();
            runtime.spawn(async move { release(&queues, messages).await });
        }
    }
}

async fn release(queues: &Queues, messages: Vec<Raw>) {
    let handles = messages.into_iter().map(|raw| (raw.at, raw.handle));
    let released = in_tens(handles, |at, handles| queues.release(at, handles)).await;
    if let Err(error) = released {
        tracing::warn!(%error, "messages come again by themselves later");
    }
}

/// Groups by queue, in tens.
pub(super) fn tens<T>(items: impl IntoIterator<Item = (At, T)>) -> Vec<(At, Vec<T>)> {
    let mut tens: Vec<(At, Vec<T>)> = Vec::new();
    for (at, item) in items {
        match tens.iter_mut().rev().find(|(its, _)| *its == at) {
            Some((_, ten)) if ten.len() < TEN => ten.push(item),
            _ => tens.push((at, vec![item])),
        }
    }
    tens
}

/// Asks for each ten, some at once. After a failure no further one is begun: each would only
/// wait as long for a broker that is away.
pub(super) async fn in_tens<T, F: Future<Output = Result<(), Error>>>(
    items: impl IntoIterator<Item = (At, T)>,
    ask: impl Fn(At, Vec<T>) -> F,
) -> Result<(), Error> {
    let asked = stream::iter(tens(items)).map(|(at, ten)| Ok(ask(at, ten)));
    asked.try_buffer_unordered(AT_ONCE).try_collect().await
}

#[cfg(test)]
mod tests {
    use reelfleet_job::{Kind, Lane};

    use super::*;

    #[test]
    fn a_batch_is_cut_into_tens_of_one_queue_each() {
        let [high, normal, _] = Lane::of(Kind::Transcode).map(At::Lane);
        let items = (0..25).map(|n| (if n % 5 == 0 { high } else { normal }, n));
        let tens = tens(items);
        let sizes: Vec<_> = tens.iter().map(|(at, ten)| (*at, ten.len())).collect();
        assert_eq!(sizes, [(high, 5), (normal, 10), (normal, 10)]);
        assert_eq!(tens[0].1, [0, 5, 10, 15, 20]);
    }
}
