//! The broker `rabbitmq`: one durable queue a lane, and one for dead letters.
//!
//! ```text
//! send ──► connection ──► queue of the lane ──► connection ──► receive
//!              confirms ◄──┘                        └──► acks
//! ```
//!
//! Sending has a connection of its own: a server that is short of memory or disk blocks
//! connections that publish, and what was received must be acknowledged all the same.
//!
//! A delivery belongs to its channel. When that is lost the server gives the message to
//! somebody else, and the receipt means nothing any more. A process that freezes misses its
//! heartbeats, and the server closes its connections within half a minute.

mod book;
mod fault;
mod hand;
mod link;
mod queues;
mod receive;
mod send;

use std::{sync::Arc, time::Duration};

use lapin::uri::AMQPUri;
use reelfleet_db::LaneDepth;
use reelfleet_job::{Kind, Lane, Message};
use reelfleet_runtime::Shutdown;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use self::{
    fault::Fault,
    hand::{Came, How},
    link::Link,
    queues::Queue,
};
use super::{Broker, Receipt};
use crate::{DeadLetter, Delivery, Depth, Error, Sent};

pub(super) use self::hand::Token;

/// The broker's name in errors, as `QUEUE_TYPE` has it.
const NAME: &str = "rabbitmq";

/// How long released messages are looked for. A quorum queue takes them back
/// a moment after it was told, and tells nobody.
const RETURN: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub(crate) struct RabbitMq(Arc<Links>);

#[derive(Debug)]
struct Links {
    sending: Link,
    receiving: Link,
}

impl RabbitMq {
    pub(super) async fn open(url: &SecretString) -> Result<Self, Error> {
        // What the parser says may hold the password.
        let uri: AMQPUri = url.expose_secret().parse().map_err(|_| {
            let form = "amqp://USER:PASSWORD@HOST[:PORT][/VHOST]";
            Error::Unfit(format!("the address of RabbitMQ is not of the form {form}"))
        })?;
        let links = Links {
            sending: Link::new(uri.clone(), "reelfleet, sending"),
            receiving: Link::new(uri, "reelfleet, receiving"),
        };
        links.receiving.declare().await?;
        Ok(Self(Arc::new(links)))
    }

    /// Messages of each queue that wait. A queue that somebody deleted is declared again.
    async fn counts(&self, queues: &[Queue]) -> Result<Vec<u32>, Fault> {
        let count = async || {
            let lease = self.0.receiving.lease().await?;
            let counts = lease.counts(queues).await?;
            lease.done();
            Ok(counts)
        };
        match count().await {
            Err(Fault::Lapin(error)) if fault::is_gone(&error) => {
                self.0.receiving.declare().await?;
                count().await
            }
            counts => counts,
        }
    }

    /// How many messages of a queue this process holds.
    fn held(&self, queue: Queue) -> u64 {
        self.0.receiving.hands().iter().map(|hand| hand.held(queue)).sum()
    }
}

impl Broker for RabbitMq {
    async fn send(&self, batch: &[(Lane, Message)]) -> Sent {
        let letters: Vec<_> =
            batch.iter().map(|(lane, message)| (Queue::Lane(*lane), message.encode())).collect();
        send::send(&self.0, &letters).await
    }

    async fn receive(
        &self,
        lanes: &[Lane],
        limit: u32,
        at_most: Duration,
        shutdown: &Shutdown,
    ) -> Result<Vec<Delivery>, Error> {
        let until = Instant::now() + at_most;
        let queues: Vec<_> = lanes.iter().copied().map(Queue::Lane).collect();
        loop {
            let came = receive::receive(&self.0.receiving, &queues, limit, until, shutdown).await?;
            let deliveries = self.read(came.into_iter().map(Came::into_pair).collect()).await?;
            if !deliveries.is_empty() || Instant::now() >= until || shutdown.is_draining() {
                return Ok(deliveries);
            }
        }
    }

    async fn ack(&self, receipts: &[Receipt]) -> Result<(), Error> {
        for (hand, tags) in hand::sort(receipts) {
            hand.settle(&tags, How::Ack).await.map_err(Fault::from)?;
        }
        Ok(())
    }

    async fn release(&self, receipts: &[Receipt]) -> Result<(), Error> {
        let mut returned: Vec<(Queue, u32)> = Vec::new();
        for (hand, tags) in hand::sort(receipts) {
            for queue in hand.queues(&tags) {
                match returned.iter_mut().find(|(found, _)| *found == queue) {
                    Some((_, count)) => *count += 1,
                    None => returned.push((queue, 1)),
                }
            }
            hand.settle(&tags, How::Release).await.map_err(Fault::from)?;
        }
        // They are ready when this returns, as far as it can be seen: others may have them.
        let queues: Vec<_> = returned.iter().map(|(queue, _)| *queue).collect();
        let until = Instant::now() + RETURN;
        while !queues.is_empty() && Instant::now() < until {
            let counts = self.counts(&queues).await?;
            if returned.iter().zip(counts).all(|((_, returned), count)| count >= *returned) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    async fn bury(&self, bodies: &[String]) -> Result<(), Error> {
        let letters: Vec<_> = bodies.iter().map(|body| (Queue::Dead, body.clone())).collect();
        send::send(&self.0, &letters).await.error.map_or(Ok(()), Err)
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, Error> {
        let now = Instant::now();
        let (link, dead) = (&self.0.receiving, [Queue::Dead]);
        let came = receive::receive(link, &dead, limit, now, &Shutdown::new()).await?;
        let letter = |(body, receipt)| DeadLetter { body, receipt };
        Ok(came.into_iter().map(Came::into_pair).map(letter).collect())
    }

    /// What is in flight and what this process holds are the same here: the protocol tells
    /// nobody what others hold. A worker holds a message for the milliseconds of its claim.
    async fn depth(&self) -> Result<Depth, Error> {
        let lanes: Vec<Lane> = Kind::ALL.into_iter().flat_map(Lane::of).collect();
        let ready = self.counts(&queues::all()).await?.into_iter().map(u64::from);
        let mut ready = ready.collect::<Vec<_>>();
        let dead = ready.pop().unwrap_or_default() + self.held(Queue::Dead);
        let depth =
            |(lane, ready)| LaneDepth { lane, ready, in_flight: self.held(Queue::Lane(lane)) };
        Ok(Depth { lanes: lanes.into_iter().zip(ready).map(depth).collect(), dead })
    }
}
