use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::{FutureExt as _, future::try_join_all};
use lapin::{
    Channel,
    options::{BasicAckOptions, BasicNackOptions},
};

use super::{
    book::{Book, Frame},
    fault::answer,
    queues::Queue,
};
use crate::backend::Receipt;

/// How long a message is held for somebody who says nothing about it. A worker claims and
/// acknowledges within milliseconds.
const HOLD: Duration = Duration::from_secs(30);

/// A channel, and the messages that came over it and are in somebody's hand.
pub(super) struct Hand {
    pub(super) channel: Channel,
    book: Mutex<Book>,
}

/// One delivery: tags count from one on every channel, so it names the channel, too.
#[derive(Clone)]
pub(in crate::backend) struct Token {
    hand: Arc<Hand>,
    tag: u64,
}

/// A message that came.
pub(super) struct Came {
    pub(super) queue: Queue,
    body: String,
    token: Token,
}

/// What is to become of messages.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    Ack,
    Release,
}

type Written<'a> = Pin<Box<dyn Future<Output = lapin::Result<()>> + Send + 'a>>;

impl Hand {
    pub(super) fn new(channel: Channel) -> Arc<Self> {
        let hand = Arc::new(Self { channel, book: Mutex::default() });
        tokio::spawn(let_go_in_time(Arc::downgrade(&hand)));
        hand
    }

    /// A closed channel's messages are the server's again.
    pub(super) fn is_open(&self) -> bool {
        self.channel.status().connected()
    }

    pub(super) fn held(&self, queue: Queue) -> u64 {
        if !self.is_open() {
            return 0;
        }
        self.book().count(queue) as u64
    }

    /// The queue of each of the messages that is still held.
    pub(super) fn queues(&self, tags: &[u64]) -> Vec<Queue> {
        self.book().queues(tags)
    }

    /// Takes a message into the hand.
    pub(super) fn take(self: &Arc<Self>, queue: Queue, came: lapin::message::Delivery) -> Came {
        let tag = came.delivery_tag;
        self.book().take(tag, queue);
        let body = String::from_utf8(came.data);
        let body = body.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into());
        Came { queue, body, token: Token { hand: self.clone(), tag } }
    }

    /// Acknowledges or releases what of it is still held. To name another tag would make the
    /// server close the channel.
    pub(super) async fn settle(&self, tags: &[u64], how: How) -> Result<(), lapin::Error> {
        let written = self.begin(tags, how);
        if !self.is_open() {
            return Ok(());
        }
        // The server answers nothing. What is written arrives, even if this process leaves now.
        answer(try_join_all(written)).await.map(drop)
    }

    /// Puts the frames into the channel's line. Two calls must not mix: a frame that settles
    /// all up to a tag has to come after those of the tags that were let go before.
    fn begin(&self, tags: &[u64], how: How) -> Vec<Written<'_>> {
        let mut book = self.book();
        let frames = book.settle(tags).into_iter().map(|frame| {
            let mut written = self.frame(frame, how);
            // The first poll queues the frame; the rest is waiting for it to be written.
            match written.as_mut().now_or_never() {
                Some(written) => Box::pin(async { written }),
                None => written,
            }
        });
        frames.collect()
    }

    fn frame(&self, Frame { tag, multiple }: Frame, how: How) -> Written<'_> {
        let channel = &self.channel;
        match how {
            How::Ack => Box::pin(channel.basic_ack(tag, BasicAckOptions { multiple })),
            How::Release => {
                let options = BasicNackOptions { multiple, requeue: true };
                Box::pin(channel.basic_nack(tag, options))
            }
        }
    }

    /// Makes the server take back all that came over it or is still to come.
    pub(super) fn close(&self) {
        // The first poll queues the frame; nothing depends on the answer.
        let _ = Box::pin(self.channel.close(200, "".into())).now_or_never();
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Releases what nobody has said anything about, for as long as the channel is used.
async fn let_go_in_time(hand: Weak<Hand>) {
    loop {
        tokio::time::sleep(HOLD / 6).await;
        let Some(hand) = hand.upgrade().filter(|hand| hand.is_open()) else { return };
        let forgotten = hand.book().older_than(HOLD);
        if let Err(error) = hand.settle(&forgotten, How::Release).await {
            tracing::debug!(%error, "the server releases the messages itself");
        }
    }
}

impl Came {
    pub(super) fn into_pair(self) -> (String, Receipt) {
        (self.body, Receipt(crate::backend::Token::RabbitMq(self.token)))
    }

    pub(super) fn tag(&self) -> u64 {
        self.token.tag
    }
}

/// The tags of each channel.
pub(super) fn sort(receipts: &[Receipt]) -> Vec<(&Arc<Hand>, Vec<u64>)> {
    let mut sorted: Vec<(&Arc<Hand>, Vec<u64>)> = Vec::new();
    for Receipt(token) in receipts {
        let crate::backend::Token::RabbitMq(Token { hand, tag }) = token else { continue };
        match sorted.iter_mut().rev().find(|(found, _)| Arc::ptr_eq(found, hand)) {
            Some((_, tags)) => tags.push(*tag),
            None => sorted.push((hand, vec![*tag])),
        }
    }
    sorted
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} on channel {})", self.tag, self.hand.channel.id())
    }
}
