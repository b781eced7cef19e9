mod faults;
mod hands;
mod servers;

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use ::redis::{AsyncConnectionConfig, Cmd, FromRedisValue, aio::MultiplexedConnection, cmd};
use reelfleet_job::{JobId, Kind, Lane, Message, Priority};
use reelfleet_queue::{Delivery, Queue, QueueConfig, Sent};
use reelfleet_runtime::Shutdown;
use reelfleet_servers::Redis;

use crate::suite::{self, Fixture};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

const NORMAL: &str = "{reelfleet}:transcode-normal";

/// One server for all who only need empty lanes: each has a database of its own there.
fn shared() -> String {
    static SERVER: OnceLock<Redis> = OnceLock::new();
    static DATABASE: AtomicU8 = AtomicU8::new(0);
    SERVER.get_or_init(Redis::start).url(DATABASE.fetch_add(1, Ordering::Relaxed))
}

fn config(url: &str) -> QueueConfig {
    QueueConfig::Redis { url: url.to_owned().into(), allow_data_loss: false }
}

async fn fixture() -> Fixture {
    Fixture::open(&config(&shared())).await
}

/// A queue on some server.
async fn queue(url: &str) -> Queue {
    Fixture::open(&config(url)).await.queue
}

/// Speaks to a server as somebody else would.
struct Raw(MultiplexedConnection);

impl Raw {
    async fn of(url: &str) -> Raw {
        let client = ::redis::Client::open(url).unwrap();
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(LONG))
            .set_response_timeout(Some(LONG));
        Raw(client.get_multiplexed_async_connection_with_config(&patient).await.unwrap())
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &mut Cmd) -> T {
        command.query_async(&mut self.0).await.unwrap()
    }

    async fn say(&mut self, words: &str) {
        let mut words = words.split(' ');
        let mut command = cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        self.ask(&mut command).await
    }

    /// Makes every message in hand one that was handed out 31 seconds ago.
    async fn age(&mut self, key: &str) {
        let pending: Vec<(String, String, u64, u64)> =
            self.ask(cmd("XPENDING").arg(key).arg("fleet").arg("-").arg("+").arg(1000)).await;
        let mut claim = cmd("XCLAIM");
        claim.arg(key).arg("fleet").arg("fleet").arg(0);
        for (id, ..) in pending {
            claim.arg(id);
        }
        self.ask::<()>(claim.arg("IDLE").arg(31_000).arg("JUSTID")).await;
    }
}

async fn send(queue: &Queue, priorities: &[Priority]) -> (Vec<JobId>, Sent) {
    let batch: Vec<_> = priorities
        .iter()
        .map(|priority| {
            let lane = Lane { kind: Kind::Transcode, priority: *priority };
            (lane, Message::to(JobId::generate(), Kind::Transcode))
        })
        .collect();
    let sent = queue.send(&batch).await;
    (batch.into_iter().map(|(_, message)| message.job).collect(), sent)
}

/// Sends one message that must be confirmed.
async fn ring(queue: &Queue) -> JobId {
    let (jobs, sent) = send(queue, &[Priority::Normal]).await;
    assert!(sent.error.is_none() && sent.unconfirmed.is_empty(), "{sent:?}");
    jobs[0]
}

/// Waits for one message.
async fn one(queue: &Queue) -> Delivery {
    let until = Instant::now() + LONG;
    while Instant::now() < until {
        let wait = Duration::from_secs(1);
        let some = queue.receive(Kind::Transcode, 0, 1, wait, &Shutdown::new()).await.unwrap();
        if let Some(one) = some.into_iter().next() {
            return one;
        }
    }
    panic!("no message came");
}

async fn in_flight(queue: &Queue) -> u64 {
    queue.depth().await.unwrap().lanes.iter().map(|depth| depth.in_flight).sum()
}

suite::conforms!(fixture);

/// B21.
#[tokio::test]
async fn a_body_of_an_unknown_form_becomes_a_dead_letter_however_it_is_received() {
    let url = shared();
    let (queue, mut raw) = (queue(&url).await, Raw::of(&url).await);
    let add = |field: &str, body: &[u8]| {
        let mut add = cmd("XADD");
        add.arg(NORMAL).arg("*").arg(field).arg(body);
        add
    };
    raw.ask::<()>(&mut add("m", b"{\"v\":9}")).await;
    raw.ask::<()>(&mut add("other", b"\xff\x00")).await;
    assert!(suite::receive(&queue, 0).await.is_empty());
    // Another one for a receive that waits, and one that it can read.
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { one(&queue).await.message.job }
    });
    raw.ask::<()>(&mut add("other", b"\xff\x00")).await;
    assert_eq!(ring(&queue).await, waiting.await.unwrap());
    let mut letters: Vec<_> =
        queue.dead_letters(10).await.unwrap().into_iter().map(|letter| letter.body).collect();
    letters.sort();
    assert_eq!(letters, ["other \u{fffd}\0", "other \u{fffd}\0", "{\"v\":9}"]);
    assert_eq!(suite::ready(&queue).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_receive_brings_more_than_its_limit_and_none_loses_what_comes_at_once() {
    let queue = fixture().await.queue;
    let receivers: Vec<_> = (0..6)
        .map(|turn| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let (mut mine, wait) = (Vec::new(), Duration::from_secs(2));
                loop {
                    let shutdown = Shutdown::new();
                    let some = queue.receive(Kind::Transcode, turn, 1, wait, &shutdown).await;
                    let some = some.unwrap();
                    assert!(some.len() <= 1);
                    let Some(one) = some.into_iter().next() else { return mine };
                    mine.push(one.message.job);
                    queue.ack(&[one.receipt]).await.unwrap();
                }
            })
        })
        .collect();
    let mut jobs = Vec::new();
    for _ in 0..100 {
        jobs.extend(send(&queue, &[Priority::Low, Priority::Normal, Priority::High]).await.0);
        tokio::task::yield_now().await;
    }
    let mut all = Vec::new();
    for receiver in receivers {
        all.extend(receiver.await.unwrap());
    }
    jobs.sort();
    all.sort();
    assert!(all == jobs, "some came twice or not at all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_in_the_moment_of_a_send_is_quick_and_hides_no_message() {
    let queue = fixture().await.queue;
    let mut took = Vec::new();
    for _ in 0..100 {
        let shutdown = Shutdown::new();
        let waiting = tokio::spawn({
            let (queue, shutdown) = (queue.clone(), shutdown.clone());
            async move { queue.receive(Kind::Transcode, 0, 1, LONG, &shutdown).await.unwrap() }
        });
        tokio::task::yield_now().await;
        let sending = tokio::spawn({
            let queue = queue.clone();
            async move { ring(&queue).await }
        });
        let began = Instant::now();
        shutdown.start_drain();
        let received = waiting.await.unwrap();
        took.push(began.elapsed());
        sending.await.unwrap();
        let handed = received.len() as u64;
        assert_eq!((suite::ready(&queue).await, in_flight(&queue).await), (1 - handed, handed));
        let rest =
            if handed == 0 { one(&queue).await } else { received.into_iter().next().unwrap() };
        queue.ack(&[rest.receipt]).await.unwrap();
    }
    took.sort();
    // By itself the server ends the wait after a second.
    assert!(took[90] < Duration::from_millis(200), "{took:?}");
}
