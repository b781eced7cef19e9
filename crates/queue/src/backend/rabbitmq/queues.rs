use lapin::{
    options::QueueDeclareOptions,
    types::{FieldTable, ShortString},
};
use reelfleet_job::{Kind, Lane};

use super::{
    fault::{self, Fault, answer},
    link::Link,
};

/// From version 4 on the server drops a message that came back twenty times. Here one comes
/// back as often as a worker leaves or has too many.
const RETURNS: i32 = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    Lane(Lane),
    Dead,
}

impl Queue {
    pub(super) fn name(self) -> ShortString {
        match self {
            Self::Lane(lane) => format!("reelfleet.{lane}").into(),
            Self::Dead => "reelfleet.dead".into(),
        }
    }
}

/// Every queue, the dead letters' last.
pub(super) fn all() -> Vec<Queue> {
    let lanes = Kind::ALL.into_iter().flat_map(Lane::of);
    lanes.map(Queue::Lane).chain([Queue::Dead]).collect()
}

/// Declares every queue; fine if they are there.
///
/// Quorum queues survive the loss of a node. A server that cannot have them gets durable ones
/// of the classic type, which are away while their node is; such a queue that somebody made
/// is as good. Queues with other arguments may drop messages, or refuse them.
pub(super) async fn declare(link: &Link) -> Result<(), Fault> {
    for queue in all() {
        match declare_one(link, queue, quorum()).await {
            Err(error) if fault::is_other(&error) || fault::is_unknown(&error) => {
                let classic = FieldTable::default();
                declare_one(link, queue, classic).await.map_err(|error| refused(queue, error))?;
                tracing::warn!("{} is not a quorum queue: {error}", queue.name());
            }
            declared => declared?,
        }
    }
    Ok(())
}

/// On a channel of its own, which a refusal closes; sometimes it closes the connection.
async fn declare_one(link: &Link, queue: Queue, arguments: FieldTable) -> Result<(), lapin::Error> {
    let channel = answer(link.connection().await?.create_channel()).await?;
    answer(channel.queue_declare(queue.name(), QueueDeclareOptions::durable(), arguments)).await?;
    Ok(())
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), lapin::types::LongString::from("quorum").into());
    arguments.insert("x-delivery-limit".into(), RETURNS.into());
    arguments
}

fn refused(queue: Queue, error: lapin::Error) -> Fault {
    if !fault::is_other(&error) {
        return error.into();
    }
    let name = queue.name();
    Fault::Unfit(format!(
        "RabbitMQ has a queue `{name}` that was declared with other arguments ({error}). \
         Delete it (`rabbitmqctl delete_queue {name}`; what it holds is sent again), \
         or give reelfleet a virtual host of its own in RABBITMQ_URL"
    ))
}
