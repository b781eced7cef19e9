//! What every broker must do, whatever it is.

mod intake;
mod letters;
mod relay;
mod waits;

use std::time::Duration;

use reelfleet_db::{Db, NewUser, NewVideo, Role, Submitted, Video};
use reelfleet_job::{JobId, Kind, Lane, Message, Priority, UserId, VideoId};
use reelfleet_queue::{Delivery, Queue, QueueConfig, submit_video};
use reelfleet_runtime::Shutdown;

/// The suite's own text, so that a forgotten test is noticed.
pub(crate) const SOURCES: [&str; 5] = [
    include_str!("mod.rs"),
    include_str!("intake.rs"),
    include_str!("letters.rs"),
    include_str!("relay.rs"),
    include_str!("waits.rs"),
];

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);

/// A queue with empty lanes, and a database beside it.
pub(crate) struct Fixture {
    pub(crate) db: Db,
    pub(crate) queue: Queue,
    pace: Pace,
    _folder: Option<tempfile::TempDir>,
}

/// What a broker may take: not much more than ten times what was measured on a busy machine.
struct Pace {
    /// From a send to the end of a receive that waits.
    wakes: Duration,
    /// From the drain to the end of a receive that waits.
    leaves: Duration,
}

impl Pace {
    /// A bell that nobody hears is noticed: by itself a receive of the database looks 400 ms
    /// after the send here, and one of Redis after 900 ms.
    const fn of(config: &QueueConfig) -> Pace {
        let (wakes, leaves) = match config {
            QueueConfig::Database | QueueConfig::RabbitMq { .. } => (300, 300),
            QueueConfig::Redis { .. } => (100, 300),
            // Its polls must end.
            QueueConfig::Sqs(_) => (150, 9000),
        };
        Pace { wakes: Duration::from_millis(wakes), leaves: Duration::from_millis(leaves) }
    }
}

impl Fixture {
    /// The broker of a configuration, beside a database of its own.
    pub(crate) async fn open(config: &QueueConfig) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/test.db", folder.path().display());
        Fixture { _folder: Some(folder), ..Fixture::beside(config, &url).await }
    }

    /// The broker of a configuration, beside an empty database.
    pub(crate) async fn beside(config: &QueueConfig, database: &str) -> Fixture {
        let db = Db::open(database).await.unwrap();
        db.migrate().await.unwrap();
        let queue = Queue::open(config, &db).await.unwrap();
        Fixture { db, queue, pace: Pace::of(config), _folder: None }
    }
}

/// Runs every test of the suite, each on what `$fixture` makes.
macro_rules! conforms {
    ($fixture:path) => {
        crate::suite::conforms! { $fixture:
            a_message_in_hand_comes_to_nobody_else,
            an_acknowledged_message_is_gone_and_a_released_one_comes_at_once,
            a_batch_is_sent_received_and_acknowledged_whole,
            a_released_batch_comes_again_whole,
            many_receivers_share_what_is_there_without_doubles,
            a_send_wakes_a_waiting_receive,
            a_receive_waits_as_long_as_it_is_told,
            a_receive_ends_when_the_drain_begins,
            urgent_messages_go_first_and_low_ones_progress,
            dead_letters_are_kept_until_they_are_forgotten,
            every_dead_job_has_a_letter_and_no_other_job_has_one,
            a_letter_that_was_lost_in_the_broker_is_sent_again,
            many_callers_at_once_are_each_answered_and_each_job_rings,
            a_worker_claims_what_is_in_its_lanes_and_leaves_nothing_there,
            a_submitted_video_rings,
            a_job_whose_process_died_before_it_sent_is_sent_by_the_relay,
            a_job_whose_message_was_lost_is_sent_again,
            a_message_that_waits_in_its_lane_is_not_sent_again,
            a_job_that_was_handed_back_is_sent_again,
            a_lost_job_is_freed_and_sent_again,
            a_thousand_jobs_that_are_due_at_once_wait_for_no_further_looks,
        }
    };
    ($fixture:path: $($name:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::suite::$name($fixture().await).await;
            }
        )*

        #[test]
        fn every_test_of_the_suite_is_listed() {
            let written = crate::suite::SOURCES
                .iter()
                .map(|source| source.matches("\npub(crate) async fn ").count())
                .sum::<usize>();
            assert_eq!([$(stringify!($name)),*].len(), written);
        }
    };
}
pub(crate) use conforms;
pub(crate) use intake::*;
pub(crate) use letters::*;
pub(crate) use relay::*;
pub(crate) use waits::*;

pub(crate) fn receive(queue: &Queue, turn: u64) -> impl Future<Output = Vec<Delivery>> {
    let queue = queue.clone();
    let none = Duration::ZERO;
    async move { queue.receive(Kind::Transcode, turn, 10, none, &Shutdown::new()).await.unwrap() }
}

pub(crate) fn ready(queue: &Queue) -> impl Future<Output = u64> {
    let queue = queue.clone();
    async move { queue.depth().await.unwrap().lanes.iter().map(|depth| depth.ready).sum() }
}

fn send(queue: &Queue, priority: Priority) -> impl Future<Output = JobId> {
    let queue = queue.clone();
    async move {
        let job = JobId::generate();
        let lane = Lane { kind: Kind::Transcode, priority };
        assert!(queue.send(&[(lane, Message::to(job, Kind::Transcode))]).await.error.is_none());
        job
    }
}

/// Somebody new.
async fn user(db: &Db) -> UserId {
    let user = NewUser {
        email: format!("{}@example.com", JobId::generate()),
        password_hash: String::new(),
        role: Role::User,
    };
    db.create_user(&user).await.unwrap().id
}

/// A video of a user of its own.
async fn new_video(db: &Db) -> NewVideo {
    NewVideo {
        id: VideoId::generate(),
        owner: user(db).await,
        title: "holiday".to_owned(),
        profile: "web".to_owned(),
        priority: Priority::Normal,
        source_bytes: 1,
        source_duration: None,
        idempotency_key: None,
        fingerprint: "f".to_owned(),
        max_attempts: 3,
    }
}

fn fresh(submitted: Submitted) -> Video {
    match submitted {
        Submitted::New(video) => *video,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn submitted(fixture: &Fixture) -> impl Future<Output = Video> {
    let (db, queue) = (fixture.db.clone(), fixture.queue.clone());
    async move {
        let new = new_video(&db).await;
        fresh(submit_video(&db, &queue, &new).await.unwrap())
    }
}

pub(crate) async fn a_message_in_hand_comes_to_nobody_else(Fixture { queue, .. }: Fixture) {
    let job = send(&queue, Priority::Normal).await;
    let first = receive(&queue, 0).await;
    assert_eq!(first[0].message, Message::to(job, Kind::Transcode));
    assert!(receive(&queue, 0).await.is_empty());
    let depth = queue.depth().await.unwrap().lanes;
    assert_eq!(depth.iter().map(|depth| depth.in_flight).sum::<u64>(), 1);
    assert_eq!(depth.len(), 3 * Kind::ALL.len(), "an empty lane is a lane all the same");
}

pub(crate) async fn an_acknowledged_message_is_gone_and_a_released_one_comes_at_once(
    Fixture { queue, .. }: Fixture,
) {
    let kept = send(&queue, Priority::Normal).await;
    let gone = send(&queue, Priority::Normal).await;
    for delivery in receive(&queue, 0).await {
        if delivery.message.job == gone {
            queue.ack(std::slice::from_ref(&delivery.receipt)).await.unwrap();
            // A second time is fine: the answer to the first may have been lost.
            queue.ack(std::slice::from_ref(&delivery.receipt)).await.unwrap();
        } else {
            queue.release(&[delivery.receipt]).await.unwrap();
        }
    }
    let again = receive(&queue, 0).await;
    assert_eq!(again.iter().map(|delivery| delivery.message.job).collect::<Vec<_>>(), [kept]);
}

/// Sends `count` messages to the normal lane in one call; their jobs.
async fn send_many(queue: &Queue, count: usize) -> Vec<JobId> {
    let lane = Lane { kind: Kind::Transcode, priority: Priority::Normal };
    let jobs: Vec<_> = (0..count).map(|_| JobId::generate()).collect();
    let batch: Vec<_> = jobs.iter().map(|job| (lane, Message::to(*job, Kind::Transcode))).collect();
    let sent = queue.send(&batch).await;
    assert!(sent.error.is_none() && sent.unconfirmed.is_empty(), "{sent:?}");
    jobs
}

/// Receives until `count` messages are in hand.
async fn receive_many(queue: &Queue, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        let shutdown = Shutdown::new();
        let more = queue.receive(Kind::Transcode, 0, 100, LONG, &shutdown).await.unwrap();
        assert!(!more.is_empty(), "{} of {count} came", all.len());
        all.extend(more);
    }
    all
}

fn sorted(jobs: impl IntoIterator<Item = JobId>) -> Vec<JobId> {
    let mut jobs: Vec<_> = jobs.into_iter().collect();
    jobs.sort();
    jobs
}

pub(crate) async fn a_batch_is_sent_received_and_acknowledged_whole(
    Fixture { queue, .. }: Fixture,
) {
    let jobs = send_many(&queue, 123).await;
    let all = receive_many(&queue, 123).await;
    assert_eq!(sorted(all.iter().map(|delivery| delivery.message.job)), sorted(jobs));
    queue.ack(&all.into_iter().map(|delivery| delivery.receipt).collect::<Vec<_>>()).await.unwrap();
    let depth = queue.depth().await.unwrap().lanes;
    assert!(depth.iter().all(|lane| lane.ready + lane.in_flight == 0), "{depth:?}");
    // Nothing to do is fine, too.
    queue.ack(&[]).await.unwrap();
    queue.release(&[]).await.unwrap();
    assert!(queue.send(&[]).await.error.is_none());
}

pub(crate) async fn a_released_batch_comes_again_whole(Fixture { queue, .. }: Fixture) {
    let jobs = send_many(&queue, 50).await;
    let all = receive_many(&queue, 50).await;
    let receipts: Vec<_> = all.into_iter().map(|delivery| delivery.receipt).collect();
    queue.release(&receipts).await.unwrap();
    let again = receive_many(&queue, 50).await;
    assert_eq!(sorted(again.iter().map(|delivery| delivery.message.job)), sorted(jobs));
    // What was delivered again since is not acknowledged away by those who had it before.
    queue.ack(&receipts).await.unwrap();
    let depth = queue.depth().await.unwrap().lanes;
    assert_eq!(depth.iter().map(|lane| lane.ready + lane.in_flight).sum::<u64>(), 50);
}

pub(crate) async fn many_receivers_share_what_is_there_without_doubles(
    Fixture { queue, .. }: Fixture,
) {
    let jobs = send_many(&queue, 200).await;
    let receivers = (0..8).map(|turn| {
        let queue = queue.clone();
        tokio::spawn(async move {
            let (mut mine, shutdown) = (Vec::new(), Shutdown::new());
            loop {
                let none = Duration::from_millis(100);
                let some = queue.receive(Kind::Transcode, turn, 7, none, &shutdown).await.unwrap();
                if some.is_empty() {
                    return mine;
                }
                assert!(some.len() <= 7);
                mine.extend(some.iter().map(|delivery| delivery.message.job));
                let receipts: Vec<_> = some.into_iter().map(|one| one.receipt).collect();
                queue.ack(&receipts).await.unwrap();
            }
        })
    });
    let mut all = Vec::new();
    for receiver in receivers.collect::<Vec<_>>() {
        all.extend(receiver.await.unwrap());
    }
    assert_eq!(sorted(all), sorted(jobs));
}

/// B19.
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
