//! Publishers against `CloudWatch` of an emulator, on a database of their own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{Dimension, Statistic},
};
use reelfleet_db::{Db, NewUser, NewVideo, NewWorker, Role};
use reelfleet_job::{Priority, UserId, VideoId, WorkerId};
use reelfleet_metric::{Publisher, PublisherConfig};
use reelfleet_runtime::Shutdown;
use reelfleet_servers::Ministack;
use tokio::task::JoinHandle;

/// Longer than the lease of the duty: whoever takes it over finds the period published already.
const PERIOD: Duration = Duration::from_secs(8);

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);

const NAMES: [&str; 8] = [
    "BacklogPerWorker",
    "BacklogSecondsPerWorker",
    "JobsWaiting",
    "JobsRunning",
    "WorkersActive",
    "OldestWaitingSeconds",
    "JobsDead",
    "JobsFailing",
];

struct Stage {
    aws: Ministack,
    client: Client,
    db: Db,
    url: String,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let aws = Ministack::start();
        let client = Client::new(&aws.aws().load().await);
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/test.db", folder.path().display());
        let db = Db::open(&url).await.unwrap();
        db.migrate().await.unwrap();
        Self { aws, client, db, url, _folder: folder }
    }

    async fn user(&self) -> UserId {
        let new = NewUser {
            email: "a@example.com".to_owned(),
            password_hash: "hash".to_owned(),
            role: Role::User,
        };
        self.db.create_user(&new).await.unwrap().id
    }

    async fn submit(&self, owner: UserId) -> reelfleet_job::JobId {
        let new = NewVideo {
            id: VideoId::generate(),
            owner,
            title: "holiday".to_owned(),
            profile: "web".to_owned(),
            priority: Priority::Normal,
            source_bytes: 10_000_000,
            source_duration: None,
            idempotency_key: None,
            fingerprint: "f".to_owned(),
            max_attempts: 3,
        };
        match self.db.submit_video(&new).await.unwrap() {
            reelfleet_db::Submitted::New(video) => video.job,
            other => panic!("{other:?}"),
        }
    }

    /// A publisher with connections of its own, as another process has.
    async fn publisher(&self, shutdown: &Shutdown) -> JoinHandle<()> {
        let db = Db::open(&self.url).await.unwrap();
        let config =
            PublisherConfig { environment: "test".to_owned(), period: PERIOD, aws: self.aws.aws() };
        tokio::spawn(Publisher::new(db, &config).await.run(shutdown.clone()))
    }

    /// What was published of a metric: count and mean by period.
    async fn published(&self, name: &str) -> BTreeMap<i64, (f64, f64)> {
        #[expect(clippy::disallowed_methods, reason = "CloudWatch is asked for a span of time")]
        let now = std::time::SystemTime::now();
        let hour = Duration::from_secs(3600);
        let answer = self
            .client
            .get_metric_statistics()
            .namespace("Reelfleet")
            .metric_name(name)
            .dimensions(Dimension::builder().name("Environment").value("test").build())
            .start_time(DateTime::from(now - hour))
            .end_time(DateTime::from(now + hour))
            .period(i32::try_from(PERIOD.as_secs()).unwrap())
            .statistics(Statistic::SampleCount)
            .statistics(Statistic::Average)
            .send()
            .await
            .unwrap();
        let points = answer.datapoints().iter().map(|point| {
            let at = point.timestamp().unwrap().secs();
            (at, (point.sample_count().unwrap(), point.average().unwrap()))
        });
        points.collect()
    }

    async fn wait_for_more_than(&self, periods: usize) -> BTreeMap<i64, (f64, f64)> {
        let until = Instant::now() + LONG;
        loop {
            let published = self.published("JobsWaiting").await;
            if published.len() > periods {
                return published;
            }
            assert!(Instant::now() < until, "nothing is published: {published:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn assert_each_once(published: &BTreeMap<i64, (f64, f64)>) {
    for (at, (count, _)) in published {
        assert!((count - 1.0).abs() < f64::EPSILON, "{count} values at {at}: {published:?}");
    }
}

/// C9: no worker, a job that waits, and one that runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_can_be_read_back_for_each_name() {
    let stage = Stage::new().await;
    let owner = stage.user().await;
    let jobs = [stage.submit(owner).await, stage.submit(owner).await, stage.submit(owner).await];
    let long = Duration::from_secs(600);
    stage.db.claim(jobs[0], WorkerId::generate(), long).await.unwrap().unwrap();
    let shutdown = Shutdown::new();
    let publisher = stage.publisher(&shutdown).await;
    stage.wait_for_more_than(0).await;
    let last = async |name| *stage.published(name).await.last_entry().unwrap().get();
    // Nobody works: the divisor is 1, and nothing has been learnt.
    for (name, low, high) in [
        ("BacklogPerWorker", 3.0, 3.0),
        ("BacklogSecondsPerWorker", 1.0, 1000.0),
        ("JobsWaiting", 2.0, 2.0),
        ("JobsRunning", 1.0, 1.0),
        ("WorkersActive", 0.0, 0.0),
        ("OldestWaitingSeconds", 0.0, 100.0),
        ("JobsDead", 0.0, 0.0),
        ("JobsFailing", 0.0, 0.0),
    ] {
        let (_, value) = last(name).await;
        assert!((low..=high).contains(&value), "{name} is {value}");
    }

    for _ in 0..2 {
        let new =
            NewWorker { id: WorkerId::generate(), host: "here".to_owned(), pid: 7, concurrency: 1 };
        stage.db.worker_started(&new).await.unwrap();
    }
    for job in &jobs[1..] {
        stage.db.claim(*job, WorkerId::generate(), long).await.unwrap().unwrap();
    }
    // All are in work, and no message is left in any queue: that is still three jobs.
    let until = Instant::now() + LONG;
    while last("JobsRunning").await.1 < 3.0 {
        assert!(Instant::now() < until, "the next period never comes");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!((last("BacklogPerWorker").await.1 - 1.5).abs() < 1e-9);
    assert!((last("WorkersActive").await.1 - 2.0).abs() < 1e-9);
    shutdown.start_drain();
    publisher.await.unwrap();
    for name in NAMES {
        assert_each_once(&stage.published(name).await);
    }
}

/// B18 and C9: whoever publishes dies as soon as it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_period_that_a_dead_publisher_published_is_not_published_by_the_next_one() {
    let stage = Stage::new().await;
    let shutdown = Shutdown::new();
    let mut publishers = Vec::new();
    for periods in 0..3 {
        // Dropped where they stand: they leave nothing, and say goodbye to nobody.
        for publisher in publishers.drain(..) {
            JoinHandle::abort(&publisher);
        }
        for _ in 0..3 {
            publishers.push(stage.publisher(&shutdown).await);
        }
        assert_each_once(&stage.wait_for_more_than(periods).await);
    }
    shutdown.start_drain();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    assert_each_once(&stage.published("BacklogPerWorker").await);
}

/// C9: a period that could not be published is missing, never there twice, and nothing stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloudwatch_that_hangs_or_is_away_costs_periods_and_no_more() {
    let mut stage = Stage::new().await;
    let shutdown = Shutdown::new();
    let publishers = [stage.publisher(&shutdown).await, stage.publisher(&shutdown).await];
    stage.wait_for_more_than(0).await;
    stage.aws.freeze();
    tokio::time::sleep(PERIOD * 2).await;
    stage.aws.thaw();
    let before = stage.published("JobsWaiting").await.len();
    let published = stage.wait_for_more_than(before + 1).await;
    assert_each_once(&published);

    stage.aws.kill();
    tokio::time::sleep(PERIOD * 2).await;
    stage.aws.restart();
    assert_each_once(&stage.wait_for_more_than(1).await);
    assert!(publishers.iter().all(|publisher| !publisher.is_finished()));
    shutdown.start_drain();
    for publisher in publishers {
        publisher.await.unwrap();
    }
}
