use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions},
    types::FieldTable,
};
use reelfleet_db::Db;
use reelfleet_job::{JobId, Kind, Lane, Message, Priority};
use reelfleet_queue::{Delivery, Error, Queue, QueueConfig, Relay, RelayConfig};
use reelfleet_runtime::Shutdown;
use reelfleet_servers::RabbitMq;
use tokio::sync::Mutex;

use crate::suite::{self, Fixture};

/// A node takes seconds to start, so one is for all; it is gone with this process.
static NODE: LazyLock<RabbitMq> = LazyLock::new(RabbitMq::start);

/// This one is killed by the tests, one after the other.
static MORTAL: LazyLock<Mutex<RabbitMq>> = LazyLock::new(|| Mutex::new(RabbitMq::start()));

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);

/// A virtual host that nobody else uses.
fn host(node: &RabbitMq) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    node.create(&format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn config(url: &str) -> QueueConfig {
    QueueConfig::RabbitMq { url: url.to_owned().into() }
}

async fn fixture() -> Fixture {
    Fixture::open(&config(&host(&NODE))).await
}

suite::conforms!(fixture);

fn lane(priority: Priority) -> Lane {
    Lane { kind: Kind::Transcode, priority }
}

fn batch(count: usize) -> Vec<(Lane, Message)> {
    let message = |_| (lane(Priority::Normal), Message::to(JobId::generate(), Kind::Transcode));
    (0..count).map(message).collect()
}

/// Receives with all patience; `limit` at most.
fn receive(queue: &Queue, limit: u32) -> impl Future<Output = Vec<Delivery>> + use<> {
    let queue = queue.clone();
    async move { queue.receive(Kind::Transcode, 0, limit, LONG, &Shutdown::new()).await.unwrap() }
}

fn receipts(deliveries: Vec<Delivery>) -> Vec<reelfleet_queue::Receipt> {
    deliveries.into_iter().map(|delivery| delivery.receipt).collect()
}

/// Another client of the virtual host.
async fn stranger(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// Why a queue does not open.
async fn refusal(url: &str) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}/test.db", folder.path().display())).await.unwrap();
    Queue::open(&config(url), &db).await.unwrap_err()
}

/// Until a send succeeds: the connection comes back by itself.
async fn send_at_last(queue: &Queue, batch: &[(Lane, Message)]) {
    let tries = async { while !queue.send(batch).await.unconfirmed.is_empty() {} };
    tokio::time::timeout(LONG, tries).await.unwrap();
}

/// B21: unknown form, and no UTF-8.
#[tokio::test]
async fn a_body_of_an_unknown_form_becomes_a_dead_letter_and_hides_nothing() {
    let url = host(&NODE);
    let Fixture { queue, .. } = &Fixture::open(&config(&url)).await;
    let (_connection, channel) = stranger(&url).await;
    for body in [&b"{\"v\":9}"[..], &[0xff, 0xfe]] {
        let (to, options) = ("reelfleet.transcode-normal".into(), BasicPublishOptions::default());
        channel.basic_publish("".into(), to, options, body, Default::default()).await.unwrap();
    }
    let job = batch(1);
    assert!(queue.send(&job).await.unconfirmed.is_empty());
    assert_eq!(receive(queue, 10).await[0].message, job[0].1);
    let dead = async { while queue.depth().await.unwrap().dead < 2 {} };
    tokio::time::timeout(LONG, dead).await.unwrap();
    let letters = queue.dead_letters(10).await.unwrap();
    assert!(letters.iter().any(|letter| letter.body == "{\"v\":9}"), "{letters:?}");
}

#[tokio::test]
async fn a_receive_with_room_for_one_leaves_the_rest_to_others() {
    let Fixture { queue, .. } = &fixture().await;
    for _ in 0..5 {
        let waiting = tokio::spawn(receive(queue, 1));
        let three = Priority::ALL
            .map(|priority| (lane(priority), Message::to(JobId::generate(), Kind::Transcode)));
        assert!(queue.send(&three).await.unconfirmed.is_empty());
        let mut all = waiting.await.unwrap();
        assert_eq!(all.len(), 1);
        // What it has in excess, if anything, it has given back.
        while all.len() < 3 {
            all.extend(receive(queue, 1).await);
        }
        let mut jobs: Vec<_> = all.iter().map(|delivery| delivery.message.job).collect();
        jobs.sort();
        jobs.dedup();
        assert_eq!(jobs.len(), 3);
        queue.ack(&receipts(all)).await.unwrap();
    }
}

#[tokio::test]
async fn an_idle_process_holds_nothing() {
    let url = host(&NODE);
    let Fixture { queue: idle, .. } = &Fixture::open(&config(&url)).await;
    let Fixture { queue: other, .. } = &Fixture::open(&config(&url)).await;
    let waiting = tokio::spawn(receive(idle, 1));
    assert!(other.send(&batch(100)).await.unconfirmed.is_empty());
    let taken = waiting.await.unwrap();
    let mut all = Vec::new();
    while all.len() < 99 {
        all.extend(receive(other, 100).await);
    }
    assert_eq!((taken.len(), all.len()), (1, 99));
}

#[tokio::test]
async fn messages_in_the_hand_of_one_who_goes_away_come_to_another() {
    let url = host(&NODE);
    let first = Fixture::open(&config(&url)).await;
    let second = Fixture::open(&config(&url)).await;
    assert!(first.queue.send(&batch(3)).await.unconfirmed.is_empty());
    let held = receive(&first.queue, 10).await;
    assert_eq!(held.len(), 3);
    assert!(suite::receive(&second.queue, 0).await.is_empty());
    drop((first, held));
    let mut again = 0;
    while again < 3 {
        again += receive(&second.queue, 10).await.len();
    }
}

/// B2: a late acknowledgement.
#[tokio::test]
async fn connections_that_are_closed_are_made_again_and_old_receipts_do_nothing() {
    let url = host(&NODE);
    let Fixture { queue, .. } = &Fixture::open(&config(&url)).await;
    assert!(queue.send(&batch(2)).await.unconfirmed.is_empty());
    let old = receive(queue, 2).await;
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.receive(Kind::Transcode, 0, 1, LONG, &Shutdown::new()).await }
    });
    NODE.close_connections(url.rsplit_once('/').unwrap().1);
    let mut again = waiting.await.unwrap().unwrap();
    while again.len() < 2 {
        again.extend(receive(queue, 2).await);
    }
    queue.ack(&receipts(old)).await.unwrap();
    let depth = queue.depth().await.unwrap().lanes;
    assert_eq!(depth.iter().map(|lane| lane.ready + lane.in_flight).sum::<u64>(), 2, "{depth:?}");
    send_at_last(queue, &batch(1)).await;
}

/// B8.
#[tokio::test]
async fn a_queue_that_was_declared_with_other_arguments_is_refused_with_advice() {
    let url = host(&NODE);
    let (_connection, channel) = stranger(&url).await;
    let (name, options) = ("reelfleet.transcode-low".into(), QueueDeclareOptions::durable());
    let mut arguments = FieldTable::default();
    arguments.insert("x-message-ttl".into(), 1_000.into());
    channel.queue_declare(name, options, arguments).await.unwrap();
    let error = refusal(&url).await;
    assert!(matches!(error, Error::Unfit(_)), "{error}");
    for part in ["`reelfleet.transcode-low`", "x-message-ttl", "rabbitmqctl delete_queue"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_quorum_queues_gets_classic_ones() {
    let node = RabbitMq::start_without_quorum_queues();
    let url = host(&node);
    // The second one finds them there.
    for _ in 0..2 {
        let Fixture { queue, .. } = &Fixture::open(&config(&url)).await;
        let waiting = tokio::spawn(receive(queue, 5));
        let jobs = batch(5);
        send_at_last(queue, &jobs).await;
        let mut all = waiting.await.unwrap();
        while all.len() < 5 {
            all.extend(receive(queue, 5).await);
        }
        queue.ack(&receipts(all)).await.unwrap();
        assert_eq!(suite::ready(queue).await, 0);
    }
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_shown() {
    let url = host(&NODE).replace("guest:guest", "guest:hunter2");
    let error = refusal(&url).await;
    assert!(error.to_string().contains("ACCESS_REFUSED"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    for url in ["amqp://guest:hunter2@:port", "amqp:hunter2", "http://guest:hunter2@host"] {
        let error = refusal(url).await;
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

/// B8.
#[tokio::test]
async fn a_queue_that_was_deleted_is_declared_again() {
    let url = host(&NODE);
    let Fixture { queue, .. } = &Fixture::open(&config(&url)).await;
    let (_connection, channel) = stranger(&url).await;
    let delete = async |name: &str| {
        channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    };
    // By a send, of which nothing is lost.
    delete("reelfleet.transcode-normal").await;
    let two = batch(2);
    let sent = queue.send(&two).await;
    assert!(sent.unconfirmed.is_empty(), "{sent:?}");
    let came = receive(queue, 10).await;
    assert_eq!(came.len(), 2);
    queue.ack(&receipts(came)).await.unwrap();
    // By a look at the depth.
    delete("reelfleet.dead").await;
    assert_eq!(queue.depth().await.unwrap().dead, 0);
    queue.bury(&["kept".to_owned()]).await.unwrap();
    assert_eq!(queue.dead_letters(1).await.unwrap()[0].body, "kept");
    // Under a receive that waits.
    let waiting = tokio::spawn(receive(queue, 1));
    tokio::task::yield_now().await;
    for name in ["high", "normal", "low"] {
        delete(&format!("reelfleet.transcode-{name}")).await;
    }
    let one = batch(1);
    let mut sent = queue.send(&one).await;
    if !sent.unconfirmed.is_empty() {
        // The node now and then answers a delete under a receive with an internal error, which
        // ends the connection. Then nothing is confirmed, and the relay would send again.
        sent = queue.send(&one).await;
    }
    assert!(sent.unconfirmed.is_empty(), "{sent:?}");
    assert_eq!(waiting.await.unwrap().len(), 1);
}

#[tokio::test]
async fn letters_that_nobody_says_anything_about_are_back_after_a_while() {
    let Fixture { queue, .. } = &fixture().await;
    queue.bury(&["quiet".to_owned()]).await.unwrap();
    let held = queue.dead_letters(10).await.unwrap();
    assert_eq!(held.len(), 1);
    assert!(queue.dead_letters(10).await.unwrap().is_empty());
    let mut again = Vec::new();
    while again.is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        again = queue.dead_letters(10).await.unwrap();
    }
    // Who was too late has no say any more.
    queue.ack(&[held.into_iter().next().unwrap().receipt]).await.unwrap();
    assert_eq!(queue.depth().await.unwrap().dead, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_that_somebody_purged_are_sent_again() {
    let url = host(&NODE);
    let fixture = Fixture::open(&config(&url)).await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(suite::dead_job(&fixture).await);
    }
    jobs.sort();
    relay_until_letters(&fixture, 3).await;
    let (_connection, channel) = stranger(&url).await;
    let purged = channel.queue_purge("reelfleet.dead".into(), QueuePurgeOptions::default());
    assert_eq!(purged.await.unwrap(), 3);
    // As many as there are dead jobs, and of each of them one.
    relay_until_letters(&fixture, 3).await;
    let mut letters = Vec::new();
    while letters.len() < 3 {
        letters.extend(fixture.queue.dead_letters(10).await.unwrap());
    }
    let mut told: Vec<_> =
        letters.iter().map(|letter| Message::decode(&letter.body).unwrap().job).collect();
    told.sort();
    assert_eq!(told, jobs);
}

/// A process that relays, until there are so many letters that nobody looks at.
async fn relay_until_letters(Fixture { db, queue, .. }: &Fixture, count: u64) {
    let shutdown = Shutdown::new();
    let relaying = tokio::spawn({
        let relay = Relay::new(db.clone(), queue.clone(), RelayConfig::default());
        let shutdown = shutdown.clone();
        async move { relay.run(shutdown).await }
    });
    let sent = async { while queue.depth().await.unwrap().dead != count {} };
    tokio::time::timeout(LONG, sent).await.unwrap();
    shutdown.start_drain();
    relaying.await.unwrap();
    assert_eq!(queue.depth().await.unwrap().dead, count);
}

/// B9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_outlives_the_kill_of_the_node() {
    let node = MORTAL.lock().await;
    let url = host(&node);
    let Fixture { queue, .. } = &Fixture::open(&config(&url)).await;
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let mut confirmed = Vec::new();
                loop {
                    let batch = batch(50);
                    let sent = queue.send(&batch).await;
                    let kept = |at: &usize| !sent.unconfirmed.contains(at);
                    confirmed.extend((0..50).filter(kept).map(|at| batch[at].1.job));
                    if let Some(error) = sent.error {
                        assert!(matches!(error, Error::Broker { .. }), "{error}");
                        return confirmed;
                    }
                }
            })
        })
        .collect();
    let under_load = async { while suite::ready(queue).await < 2_000 {} };
    tokio::time::timeout(LONG, under_load).await.unwrap();
    node.kill();
    let mut confirmed = Vec::new();
    for sender in senders {
        confirmed.extend(sender.await.unwrap());
    }
    assert!(queue.depth().await.is_err(), "it is away, and that is said");
    node.restart();
    let mut received = std::collections::HashSet::new();
    confirmed.retain(|job| !received.contains(job));
    while !confirmed.iter().all(|job| received.contains(job)) {
        let some = receive(queue, 500).await;
        assert!(!some.is_empty(), "lost after {} of {}", received.len(), confirmed.len());
        received.extend(some.iter().map(|delivery| delivery.message.job));
        queue.ack(&receipts(some)).await.unwrap();
    }
    assert!(confirmed.len() >= 2_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receive_waits_through_a_restart_of_the_node() {
    let node = MORTAL.lock().await;
    let url = host(&node);
    let Fixture { queue, .. } = &Fixture::open(&config(&url)).await;
    let waiting = tokio::spawn(receive(queue, 1));
    tokio::task::yield_now().await;
    node.kill();
    let sent = queue.send(&batch(1)).await;
    assert!(sent.error.is_some() && sent.unconfirmed == [0], "{sent:?}");
    node.restart();
    let job = batch(1);
    send_at_last(queue, &job).await;
    assert_eq!(waiting.await.unwrap()[0].message, job[0].1);
}
