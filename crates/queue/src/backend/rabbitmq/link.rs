use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::try_join_all;
use lapin::{
    Connection, ConnectionProperties,
    options::{ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
    uri::AMQPUri,
};
use reelfleet_runtime::Backoff;
use tokio::time::Instant;

use super::{
    fault::{Fault, answer},
    hand::Hand,
    queues::{self, Queue},
};

/// Twice this without a sign of life, and the server or the client takes the other for gone.
const HEARTBEAT_S: u16 = 10;

/// A connection that comes back by itself, and its channels.
pub(super) struct Link {
    uri: AMQPUri,
    /// As the server's operator sees it.
    title: &'static str,
    state: tokio::sync::Mutex<State>,
    channels: Mutex<Channels>,
}

struct State {
    connection: Option<Arc<Connection>>,
    backoff: Backoff,
    /// Until when nobody tries again, and what was said.
    failed: Option<(Instant, lapin::Error)>,
}

#[derive(Default)]
struct Channels {
    free: Vec<Arc<Hand>>,
    all: Vec<Weak<Hand>>,
}

/// A channel in one user's hands: what it asks there does not mix with what others ask.
pub(super) struct Lease<'a> {
    link: &'a Link,
    pub(super) hand: Arc<Hand>,
    done: bool,
    retires: bool,
}

impl Link {
    pub(super) fn new(mut uri: AMQPUri, title: &'static str) -> Self {
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let state = State { connection: None, backoff, failed: None };
        Self { uri, title, state: state.into(), channels: Mutex::default() }
    }

    pub(super) async fn connection(&self) -> Result<Arc<Connection>, lapin::Error> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            if connection.status().connected() {
                return Ok(connection.clone());
            }
            tracing::warn!("the connection to RabbitMQ ({}) is lost", self.title);
            state.connection = None;
        }
        if let Some((until, error)) = &state.failed
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        let properties = ConnectionProperties::default().with_connection_name(self.title.into());
        match answer(Connection::connect_uri(self.uri.clone(), properties)).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                *self.channels() = Channels::default();
                state.connection = Some(connection.clone());
                state.failed = None;
                state.backoff.reset();
                Ok(connection)
            }
            Err(error) => {
                let again = Instant::now() + state.backoff.next_wait();
                state.failed = Some((again, error.clone()));
                Err(error)
            }
        }
    }

    /// Declares every queue.
    pub(super) async fn declare(&self) -> Result<(), Fault> {
        queues::declare(self).await
    }

    /// A channel that nobody else uses at the moment.
    pub(super) async fn lease(&self) -> Result<Lease<'_>, lapin::Error> {
        let lease = |hand| Lease { link: self, hand, done: false, retires: false };
        if let Some(hand) = self.free() {
            return Ok(lease(hand));
        }
        let channel = answer(self.connection().await?.create_channel()).await?;
        answer(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let hand = Hand::new(channel);
        let mut channels = self.channels();
        channels.all.retain(|hand| hand.strong_count() > 0);
        channels.all.push(Arc::downgrade(&hand));
        drop(channels);
        Ok(lease(hand))
    }

    /// Channels that are open.
    pub(super) fn hands(&self) -> Vec<Arc<Hand>> {
        let mut channels = self.channels();
        channels.all.retain(|hand| hand.upgrade().is_some_and(|hand| hand.is_open()));
        channels.all.iter().filter_map(Weak::upgrade).collect()
    }

    fn free(&self) -> Option<Arc<Hand>> {
        let mut channels = self.channels();
        std::iter::from_fn(|| channels.free.pop()).find(|hand| hand.is_open())
    }

    fn channels(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease<'_> {
    /// Messages of each queue that wait.
    pub(super) async fn counts(&self, queues: &[Queue]) -> Result<Vec<u32>, lapin::Error> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let count = |queue: &Queue| {
            self.hand.channel.queue_declare(queue.name(), options, FieldTable::default())
        };
        let counted = answer(try_join_all(queues.iter().map(count))).await?;
        Ok(counted.iter().map(lapin::Queue::message_count).collect())
    }

    /// Lets nobody use the channel again. A server may have a message under way to a consumer
    /// that was cancelled, where nobody sees it: it goes back when the channel closes, which is
    /// when nobody holds a message of it any more.
    pub(super) fn retire(&mut self) {
        self.retires = true;
    }

    /// Gives the channel back. Without this it is closed: somebody was cut short, or something
    /// failed, and nobody knows what is still to come on it.
    pub(super) fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.hand.close();
        } else if !self.retires && self.hand.is_open() {
            self.link.channels().free.push(self.hand.clone());
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("title", &self.title).finish_non_exhaustive()
    }
}
