use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use aws_sdk_sqs::Client;
use reelfleet_aws::AccessKey;
use reelfleet_db::Db;
use reelfleet_job::{JobId, Kind, Lane, Message, Priority};
use reelfleet_queue::{Error, Queue, QueueConfig, Relay, RelayConfig, SqsConfig};
use reelfleet_servers::Ministack;

use crate::suite::{self, Fixture};

/// One for all tests here; it ends with this process.
static SERVER: OnceLock<Ministack> = OnceLock::new();

fn server() -> &'static Ministack {
    SERVER.get_or_init(Ministack::start)
}

async fn fixture() -> Fixture {
    let (config, prefix) = config(server());
    for queue in queues() {
        create(server(), &format!("{prefix}-{queue}")).await;
    }
    Fixture::open(&QueueConfig::Sqs(config)).await
}

suite::conforms!(fixture);

/// Queues of a name that no other test has.
fn config(server: &Ministack) -> (SqsConfig, String) {
    let prefix = format!("fleet-{}", JobId::generate());
    let config = SqsConfig { base_url: server.queue_url(&prefix), aws: server.aws() };
    (config, prefix)
}

/// What follows the base address in the names of all queues.
fn queues() -> impl Iterator<Item = String> {
    let lanes = Kind::ALL.into_iter().flat_map(Lane::of).map(|lane| lane.to_string());
    lanes.chain(["dead".to_owned()])
}

async fn create(server: &Ministack, queue: &str) -> String {
    let client = Client::new(&server.aws().load().await);
    let made = client.create_queue().queue_name(queue).send().await;
    made.unwrap().queue_url.unwrap()
}

async fn database() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}/test.db", folder.path().display())).await.unwrap();
    (folder, db)
}

/// B8. What could not be sent is kept by the row.
#[tokio::test]
async fn a_message_for_a_queue_that_was_deleted_is_kept_and_sent_when_the_queue_is_there() {
    let (config, prefix) = config(server());
    let mut urls = Vec::new();
    for queue in queues() {
        urls.push(create(server(), &format!("{prefix}-{queue}")).await);
    }
    let fixture = Fixture::open(&QueueConfig::Sqs(config)).await;
    let client = Client::new(&server().aws().load().await);
    client.delete_queue().queue_url(&urls[1]).send().await.unwrap();
    // Accepted all the same.
    let video = suite::submitted(&fixture).await;
    let relay = Relay::new(fixture.db.clone(), fixture.queue.clone(), RelayConfig::default());
    for _ in 0..2 {
        let said = relay.turn().await.unwrap_err().to_string();
        assert!(said.contains(&format!("{prefix}-transcode-normal")), "{said}");
    }
    create(server(), &format!("{prefix}-transcode-normal")).await;
    relay.turn().await.unwrap();
    assert_eq!(suite::receive(&fixture.queue, 0).await[0].message.job, video.job);
}

/// B8.
#[tokio::test]
async fn queues_that_are_not_there_are_all_named_at_once() {
    let (config, prefix) = config(server());
    create(server(), &format!("{prefix}-transcode-normal")).await;
    let (_folder, db) = database().await;
    let error = Queue::open(&QueueConfig::Sqs(config), &db).await.unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, Error::Unfit(_)), "{said}");
    for missing in ["transcode-high", "transcode-low", "noop-normal", "dead"] {
        assert!(said.contains(&format!("{prefix}-{missing}")), "{said}");
    }
    assert!(!said.contains("transcode-normal"), "{said}");
}

#[tokio::test]
async fn a_fifo_queue_is_refused() {
    let (mut config, _) = config(server());
    config.base_url.push_str(".fifo");
    let (_folder, db) = database().await;
    let error = Queue::open(&QueueConfig::Sqs(config), &db).await.unwrap_err();
    assert!(matches!(error, Error::Unfit(_)) && error.to_string().contains("FIFO"), "{error}");
}

#[tokio::test]
async fn a_broker_that_is_away_is_named_and_no_secret_is() {
    let (mut config, prefix) = config(server());
    config.base_url = format!("http://user:hunter2@127.0.0.1:1/000000000000/{prefix}");
    config.aws.endpoint = Some("http://127.0.0.1:1".to_owned());
    let (id, secret) = ("hunter2".into(), "hunter2".into());
    config.aws.access_key = Some(AccessKey { id, secret, session_token: None });
    let (_folder, db) = database().await;
    let error = Queue::open(&QueueConfig::Sqs(config), &db).await.unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(matches!(error, Error::Broker { broker: "sqs", .. }), "{said}");
    assert!(said.contains(&prefix) && !said.contains("hunter2"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_confirms_nothing_and_works_again_when_it_wakes() {
    let mut server = Ministack::start();
    let (config, prefix) = config(&server);
    for queue in queues() {
        create(&server, &format!("{prefix}-{queue}")).await;
    }
    let Fixture { queue, .. } = &Fixture::open(&QueueConfig::Sqs(config)).await;
    let lane = Lane { kind: Kind::Transcode, priority: Priority::Normal };
    let batch: Vec<_> =
        (0..300).map(|_| (lane, Message::to(JobId::generate(), Kind::Transcode))).collect();
    server.freeze();
    let began = Instant::now();
    let sent = queue.send(&batch).await;
    assert_eq!(sent.unconfirmed, (0..300).collect::<Vec<_>>());
    assert!(matches!(sent.error, Some(Error::Broker { broker: "sqs", .. })), "{sent:?}");
    // Eight seconds for all tries of a request; of those that wait their turn, none begins.
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    server.thaw();
    let sent = queue.send(&batch[..1]).await;
    assert!(sent.error.is_none(), "{sent:?}");
    let mut jobs = suite::receive(queue, 0).await;
    while !jobs.iter().any(|delivery| delivery.message.job == batch[0].1.job) {
        jobs.append(&mut suite::receive(queue, 0).await);
    }
}
