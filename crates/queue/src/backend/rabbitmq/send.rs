use futures_util::future::join_all;
use lapin::{BasicProperties, Confirmation, PublisherConfirm, options::BasicPublishOptions};

use super::{
    Links,
    fault::{self, Fault, answer_by},
    link::{Lease, Link},
    queues::Queue,
};
use crate::{Error, Sent};

/// Sends each text to its queue. A queue that somebody deleted is declared again, once.
pub(super) async fn send(links: &Links, batch: &[(Queue, String)]) -> Sent {
    let all: Vec<usize> = (0..batch.len()).collect();
    if all.is_empty() {
        return Sent::default();
    }
    let mut sent = match publish(&links.sending, batch, &all).await {
        Ok(sent) => sent,
        Err(error) => return Sent::nothing(batch.len(), Fault::from(error).into()),
    };
    if !sent.unrouted.is_empty() {
        let again = async {
            links.receiving.declare().await?;
            Ok::<_, Fault>(publish(&links.sending, batch, &sent.unrouted).await?)
        };
        match again.await {
            Ok(again) => {
                sent.unrouted = again.unrouted;
                sent.unconfirmed.extend(again.unconfirmed);
                sent.error = sent.error.or(again.error);
            }
            Err(error) => return sent.finish(error.into()),
        }
    }
    sent.finish(Fault::from(fault::said("there is no queue of that name")).into())
}

/// What became of a batch.
#[derive(Default)]
struct Published {
    /// Places of those that no queue took.
    unrouted: Vec<usize>,
    /// Places of those that were not confirmed otherwise, and why.
    unconfirmed: Vec<usize>,
    error: Option<lapin::Error>,
}

impl Published {
    fn finish(self, unrouted: Error) -> Sent {
        let mut unconfirmed = [self.unconfirmed, self.unrouted].concat();
        unconfirmed.sort_unstable();
        let error = self.error.map(|error| Fault::from(error).into());
        Sent { error: (!unconfirmed.is_empty()).then(|| error.unwrap_or(unrouted)), unconfirmed }
    }
}

async fn publish(
    link: &Link,
    batch: &[(Queue, String)],
    places: &[usize],
) -> Result<Published, lapin::Error> {
    let connection = link.connection().await?;
    if connection.status().blocked() {
        return Err(fault::said("the server takes nothing: it is short of memory or disk"));
    }
    let lease = link.lease().await?;
    let latest = fault::latest();
    let letters = places.iter().filter_map(|at| batch.get(*at));
    let writing = async { Ok(join_all(letters.map(|letter| lease.publish(letter))).await) };
    let under_way = answer_by(latest, writing).await?;
    let mut published = Published::default();
    let mut returned = Vec::new();
    // All are on their way: the waits overlap.
    for (at, confirm) in places.iter().zip(under_way) {
        let confirmed = match confirm {
            Ok(confirm) => answer_by(latest, confirm).await,
            Err(error) => Err(error),
        };
        match confirmed {
            Ok(Confirmation::Ack(None)) => {}
            Ok(Confirmation::Ack(Some(message))) => returned.push(message),
            Ok(Confirmation::Nack(_) | Confirmation::NotRequested) => {
                published.unconfirmed.push(*at);
                published.error.get_or_insert(fault::said("the server did not take a message"));
            }
            Err(error) => {
                published.unconfirmed.push(*at);
                published.error.get_or_insert(error);
            }
        }
    }
    // When many are confirmed at once, a returned message may come with another's confirmation.
    let is_returned = |at: &usize| {
        batch.get(*at).is_some_and(|(queue, body)| {
            let name = queue.name();
            returned
                .iter()
                .any(|message| message.routing_key == name && message.data == body.as_bytes())
        })
    };
    if !returned.is_empty() {
        published.unrouted = places.iter().copied().filter(is_returned).collect();
        published.unconfirmed.retain(|at| !published.unrouted.contains(at));
    }
    if published.error.is_none() {
        lease.done();
    }
    Ok(published)
}

impl Lease<'_> {
    async fn publish(&self, (queue, body): &(Queue, String)) -> lapin::Result<PublisherConfirm> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        // 2: written to disk before it is confirmed.
        let lasting = BasicProperties::default().with_delivery_mode(2);
        let (exchange, body) = ("".into(), body.as_bytes());
        self.hand.channel.basic_publish(exchange, queue.name(), options, body, lasting).await
    }
}
