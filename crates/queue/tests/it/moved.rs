//! Somebody moves dead letters with SQS's own tool, as the console's "Start DLQ redrive" does. No
//! other emulator here has it.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    types::{ListMessageMoveTasksResultEntry, QueueAttributeName},
};
use reelfleet_db::Claimed;
use reelfleet_job::{JobId, Kind, Lane, Priority, State, WorkerId};
use reelfleet_queue::{DeadLetters, Duty, QueueConfig, Relay, RelayConfig, SqsConfig, Wanted};
use reelfleet_runtime::Shutdown;
use reelfleet_servers::Localstack;
use tokio::time::timeout;

use crate::suite::{self, Fixture};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);

const LANE: Lane = Lane { kind: Kind::Transcode, priority: Priority::Normal };

struct Stage {
    fixture: Fixture,
    client: Client,
    duty: Duty,
    server: Localstack,
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:moved-{queue}")
}

impl Stage {
    /// Queues as stack 03.5 has them: each lane names the dead-letter queue as its own.
    async fn set(what: &str) -> Option<Self> {
        let server = Localstack::start(what)?;
        let client = Client::new(&server.aws().load().await);
        let create = |queue: &str| client.create_queue().queue_name(format!("moved-{queue}"));
        create("dead").send().await.unwrap();
        let policy =
            format!("{{\"deadLetterTargetArn\": \"{}\", \"maxReceiveCount\": 1000}}", arn("dead"));
        for lane in Kind::ALL.into_iter().flat_map(Lane::of) {
            let made = create(&lane.to_string());
            made.attributes(QueueAttributeName::RedrivePolicy, &policy).send().await.unwrap();
        }
        let base_url = server.queue_url("moved");
        let config = SqsConfig { base_url, aws: server.aws() };
        let fixture = Fixture::open(&QueueConfig::Sqs(config)).await;
        let duty = Duty::new(fixture.db.clone(), "relay");
        Some(Self { fixture, client, duty, server })
    }

    /// Moves what is in the dead-letter queue, and waits for the end of it.
    async fn move_letters(&self, to: Option<&str>) -> ListMessageMoveTasksResultEntry {
        let dead = arn("dead");
        let asked = self.client.start_message_move_task().source_arn(&dead);
        asked.set_destination_arn(to.map(arn)).send().await.unwrap();
        let ended = async {
            loop {
                let tasks = self.client.list_message_move_tasks().source_arn(&dead).send().await;
                let task = tasks.unwrap().results.unwrap_or_default().remove(0);
                if !matches!(task.status(), Some("CREATED" | "RUNNING")) {
                    return task;
                }
            }
        };
        timeout(LONG, ended).await.unwrap()
    }

    /// Compares and buries, as the relay does once a minute, until there are so many letters.
    async fn letters_become(&mut self, count: u64) {
        let Fixture { db, queue, .. } = &self.fixture;
        let letters = DeadLetters::new(db.clone(), queue.clone());
        let compared = async {
            while queue.depth().await.unwrap().dead != count
                || letters.compare(&mut self.duty).await.unwrap() != Default::default()
            {
                letters.compare(&mut self.duty).await.unwrap();
                letters.bury(&mut self.duty).await.unwrap();
            }
        };
        timeout(LONG, compared).await.unwrap();
    }

    /// What workers claim until the lanes are empty, each of them one message at a time.
    async fn claim_all(&self) -> Vec<Claimed> {
        let Fixture { db, queue, .. } = &self.fixture;
        let mut all = Vec::new();
        let empty = async {
            for turn in 0.. {
                let (at_most, lease) = (Duration::from_secs(1), Duration::from_secs(600));
                let worker = WorkerId::generate();
                let wanted =
                    Wanted { kind: Kind::Transcode, turn, limit: 1, at_most, worker, lease };
                let claims = queue.claim(db, &wanted, &Shutdown::new()).await.unwrap();
                queue.ack(&claims.receipts).await.unwrap();
                all.extend(claims.claimed);
                let lanes = queue.depth().await.unwrap().lanes;
                if lanes.iter().all(|lane| lane.ready + lane.in_flight == 0) {
                    return;
                }
            }
        };
        timeout(LONG, empty).await.unwrap();
        all
    }

    /// Waits until the letter is in nobody's hand: a move takes what it sees.
    async fn letter_is_there(&self) {
        let url = self.server.queue_url("moved-dead");
        let there = async {
            loop {
                let asked = self.client.get_queue_attributes().queue_url(&url);
                let told = asked.attribute_names(QueueAttributeName::All).send().await.unwrap();
                let count =
                    &told.attributes().unwrap()[&QueueAttributeName::ApproximateNumberOfMessages];
                if count.as_str() == "1" {
                    return;
                }
            }
        };
        timeout(LONG, there).await.unwrap();
    }

    /// Messages that wait in the lane that the letter was moved into.
    async fn waiting(&self) -> u64 {
        suite::ready(&self.fixture.queue).await
    }

    /// State, and number of the last claim.
    async fn job(&self, job: JobId) -> (State, u64) {
        let job = self.fixture.db.job(job).await.unwrap().unwrap();
        (job.state, job.epoch)
    }
}

/// B6: its letter does not say where it came from, as SQS did not put it there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_is_moved_into_a_lane_runs_nothing_and_is_written_again() {
    let Some(mut stage) = Stage::set("letters that are moved into a lane").await else { return };
    let job = suite::dead_job(&stage.fixture).await;
    let (dead, claims) = stage.job(job).await;
    assert_eq!(dead, State::Dead);
    assert!(stage.claim_all().await.is_empty(), "its first message is of no use any more");
    stage.letters_become(1).await;

    // Back to where it came from: nobody knows where that is.
    let task = stage.move_letters(None).await;
    assert_eq!((task.status(), task.approximate_number_of_messages_moved()), (Some("FAILED"), 0));
    assert_eq!(stage.fixture.queue.depth().await.unwrap().dead, 1);

    // Into a lane that somebody names.
    stage.letter_is_there().await;
    let task = stage.move_letters(Some(&LANE.to_string())).await;
    assert_eq!(
        (task.status(), task.approximate_number_of_messages_moved()),
        (Some("COMPLETED"), 1)
    );
    assert_eq!((stage.fixture.queue.depth().await.unwrap().dead, stage.waiting().await), (0, 1));
    assert!(stage.claim_all().await.is_empty());
    assert_eq!(stage.job(job).await, (State::Dead, claims));
    stage.letters_become(1).await;
}

/// B6: and one that is redriven as well runs once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_redriven_while_its_letter_is_moved_runs_once() {
    let Some(mut stage) = Stage::set("jobs that are redriven and moved").await else { return };
    let job = suite::dead_job(&stage.fixture).await;
    let (_, claims) = stage.job(job).await;
    assert!(stage.claim_all().await.is_empty(), "its first message is of no use any more");
    stage.letters_become(1).await;
    stage.letter_is_there().await;
    let task = stage.move_letters(Some(&LANE.to_string())).await;
    assert_eq!(task.approximate_number_of_messages_moved(), 1);
    assert!(stage.fixture.db.redrive(job, "operator").await.unwrap());
    let Fixture { db, queue, .. } = &stage.fixture;
    Relay::new(db.clone(), queue.clone(), RelayConfig::default()).turn().await.unwrap();
    assert_eq!(stage.waiting().await, 2, "the letter, and the message of the redrive");
    let claimed = stage.claim_all().await;
    assert_eq!(
        claimed.iter().map(|one| (one.id, one.epoch)).collect::<Vec<_>>(),
        [(job, claims + 1)]
    );
    assert_eq!(stage.job(job).await, (State::Running, claims + 1));
    stage.letters_become(0).await;
}
