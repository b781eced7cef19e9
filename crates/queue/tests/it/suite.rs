//! What every broker must do, whatever it is.

use std::time::Duration;

use reelfleet_db::{Db, NewUser, NewVideo, Role, Submitted, Video};
use reelfleet_job::{JobId, Kind, Lane, Message, Priority, VideoId, WorkerId};
use reelfleet_queue::{Delivery, Queue, Relay, RelayConfig, submit_video};
use reelfleet_runtime::Shutdown;

/// The suite's own text, so that a forgotten test is noticed.
pub(crate) const SOURCE: &str = include_str!("suite.rs");

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);

pub(crate) struct Fixture {
    pub(crate) db: Db,
    pub(crate) queue: Queue,
}

pub(crate) fn receive(queue: &Queue, turn: u64) -> impl Future<Output = Vec<Delivery>> {
    let queue = queue.clone();
    let none = Duration::ZERO;
    async move { queue.receive(Kind::Transcode, turn, 10, none, &Shutdown::new()).await.unwrap() }
}

pub(crate) fn ready(queue: &Queue) -> impl Future<Output = u64> {
    let queue = queue.clone();
    async move { queue.depth().await.unwrap().iter().map(|depth| depth.ready).sum() }
}

fn send(queue: &Queue, priority: Priority) -> impl Future<Output = JobId> {
    let queue = queue.clone();
    async move {
        let job = JobId::generate();
        let lane = Lane { kind: Kind::Transcode, priority };
        queue.send(lane, &Message::to(job, Kind::Transcode)).await.unwrap();
        job
    }
}

fn relay(fixture: &Fixture) -> Relay {
    Relay::new(fixture.db.clone(), fixture.queue.clone(), RelayConfig::default())
}

fn submitted(fixture: &Fixture) -> impl Future<Output = Video> {
    let (db, queue) = (fixture.db.clone(), fixture.queue.clone());
    async move {
        let user = NewUser {
            email: "a@example.com".to_owned(),
            password_hash: String::new(),
            role: Role::User,
        };
        let owner = db.create_user(&user).await.unwrap().id;
        let new = NewVideo {
            id: VideoId::generate(),
            owner,
            title: "holiday".to_owned(),
            profile: "web".to_owned(),
            priority: Priority::Normal,
            source_bytes: 1,
            idempotency_key: None,
            fingerprint: "f".to_owned(),
            max_attempts: 3,
        };
        match submit_video(&db, &queue, &new).await.unwrap() {
            Submitted::New(video) => *video,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn a_message_in_hand_comes_to_nobody_else(Fixture { queue, .. }: Fixture) {
    let job = send(&queue, Priority::Normal).await;
    let first = receive(&queue, 0).await;
    assert_eq!(first[0].message, Message::to(job, Kind::Transcode));
    assert!(receive(&queue, 0).await.is_empty());
    let depth = queue.depth().await.unwrap();
    assert_eq!(depth.iter().map(|depth| depth.in_flight).sum::<u64>(), 1);
    assert_eq!(depth.len(), 3, "an empty lane is a lane all the same");
}

pub(crate) async fn an_acknowledged_message_is_gone_and_a_released_one_comes_at_once(
    Fixture { queue, .. }: Fixture,
) {
    let kept = send(&queue, Priority::Normal).await;
    let gone = send(&queue, Priority::Normal).await;
    for delivery in receive(&queue, 0).await {
        if delivery.message.job == gone {
            queue.ack(&delivery.receipt).await.unwrap();
            // A second time is fine: the answer to the first may have been lost.
            queue.ack(&delivery.receipt).await.unwrap();
        } else {
            queue.release(&delivery.receipt).await.unwrap();
        }
    }
    let again = receive(&queue, 0).await;
    assert_eq!(again.iter().map(|delivery| delivery.message.job).collect::<Vec<_>>(), [kept]);
}

pub(crate) async fn a_send_wakes_a_waiting_receive(Fixture { queue, .. }: Fixture) {
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.receive(Kind::Transcode, 0, 1, LONG, &Shutdown::new()).await }
    });
    tokio::task::yield_now().await;
    let job = send(&queue, Priority::Low).await;
    let received = tokio::time::timeout(LONG / 2, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(received[0].message.job, job);
}

pub(crate) async fn a_receive_ends_when_the_drain_begins(Fixture { queue, .. }: Fixture) {
    let shutdown = Shutdown::new();
    let waiting = tokio::spawn({
        let (queue, shutdown) = (queue.clone(), shutdown.clone());
        async move { queue.receive(Kind::Transcode, 0, 1, LONG, &shutdown).await }
    });
    tokio::task::yield_now().await;
    shutdown.start_drain();
    let received = tokio::time::timeout(LONG / 2, waiting).await.unwrap().unwrap().unwrap();
    assert!(received.is_empty());
}

pub(crate) async fn urgent_messages_go_first_and_low_ones_progress(Fixture { queue, .. }: Fixture) {
    for _ in 0..20 {
        send(&queue, Priority::High).await;
    }
    let low = send(&queue, Priority::Low).await;
    let mut order = Vec::new();
    for turn in 0..10 {
        let shutdown = Shutdown::new();
        let one = queue.receive(Kind::Transcode, turn, 1, Duration::ZERO, &shutdown).await.unwrap();
        order.push(one[0].message.job);
    }
    assert!(order.contains(&low), "low did not progress in ten turns");
    assert_ne!(order[0], low);
}

pub(crate) async fn a_submitted_video_rings(fixture: Fixture) {
    let video = submitted(&fixture).await;
    let received = receive(&fixture.queue, 0).await;
    assert_eq!(received[0].message.job, video.job);
    // The relay sees that a message is on its way.
    relay(&fixture).turn().await.unwrap();
    assert_eq!(ready(&fixture.queue).await, 0);
}

pub(crate) async fn a_job_whose_message_was_lost_is_sent_again(fixture: Fixture) {
    let video = submitted(&fixture).await;
    for delivery in receive(&fixture.queue, 0).await {
        fixture.queue.ack(&delivery.receipt).await.unwrap();
    }
    assert_eq!(ready(&fixture.queue).await, 0);
    let at_once = RelayConfig { lost_after: Duration::ZERO, ..RelayConfig::default() };
    let relay = Relay::new(fixture.db.clone(), fixture.queue.clone(), at_once);
    while ready(&fixture.queue).await == 0 {
        relay.turn().await.unwrap();
    }
    assert_eq!(receive(&fixture.queue, 0).await[0].message.job, video.job);
}

pub(crate) async fn a_job_that_was_handed_back_is_sent_again(fixture: Fixture) {
    let video = submitted(&fixture).await;
    let delivery = receive(&fixture.queue, 0).await.remove(0);
    let claimed = fixture.db.claim(video.job, WorkerId::generate(), LONG).await.unwrap().unwrap();
    fixture.queue.ack(&delivery.receipt).await.unwrap();
    fixture.db.hand_back(video.job, claimed.epoch).await.unwrap();
    relay(&fixture).turn().await.unwrap();
    assert_eq!(receive(&fixture.queue, 0).await[0].message.job, video.job);
}

pub(crate) async fn a_lost_job_is_freed_and_sent_again(fixture: Fixture) {
    let video = submitted(&fixture).await;
    let delivery = receive(&fixture.queue, 0).await.remove(0);
    fixture.db.claim(video.job, WorkerId::generate(), Duration::ZERO).await.unwrap().unwrap();
    fixture.queue.ack(&delivery.receipt).await.unwrap();
    let relay = relay(&fixture);
    while ready(&fixture.queue).await == 0 {
        relay.turn().await.unwrap();
    }
    assert_eq!(receive(&fixture.queue, 0).await[0].message.job, video.job);
}
