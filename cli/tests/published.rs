//! Metrics of a deployment without workers, by real processes that are killed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{Dimension, Statistic},
};
use reelfleet_servers::Ministack;

/// The shorter of the two that can be set.
const PERIOD: u64 = 10;

const LONG: Duration = Duration::from_secs(180);

/// A process that is killed, not told.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(folder: &Path, aws: &Ministack, arguments: &[&str]) -> Command {
    #[expect(clippy::disallowed_methods, reason = "a test of the executable starts it")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_reelfleet"));
    command
        .args(arguments)
        .env_clear()
        .envs([
            ("DATABASE_URL", format!("sqlite:{}/reelfleet.db", folder.display())),
            ("STORAGE_DIR", folder.join("blobs").display().to_string()),
            ("JWT_SECRET", "q8Zr1vN0xk3Tt7Yw5uJm2Lc9Hb6Ds4Pf".to_owned()),
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("CLOUDWATCH_ENVIRONMENT", "test".to_owned()),
            ("CLOUDWATCH_PERIOD_SECONDS", PERIOD.to_string()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT_URL", aws.endpoint()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Values by period.
async fn published(client: &Client) -> BTreeMap<i64, f64> {
    #[expect(clippy::disallowed_methods, reason = "CloudWatch is asked for a span of time")]
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let answer = client
        .get_metric_statistics()
        .namespace("Reelfleet")
        .metric_name("BacklogPerWorker")
        .dimensions(Dimension::builder().name("Environment").value("test").build())
        .start_time(DateTime::from(now - hour))
        .end_time(DateTime::from(now + hour))
        .period(1)
        .statistics(Statistic::SampleCount)
        .send()
        .await
        .unwrap();
    let points = answer.datapoints().iter();
    points.map(|p| (p.timestamp().unwrap().secs(), p.sample_count().unwrap())).collect()
}

/// B18 and C9: kill -9 of whoever publishes, a second apart; no worker is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_processes_killed_by_turns_no_period_is_published_twice() {
    let aws = Ministack::start();
    let client = Client::new(&aws.aws().load().await);
    let folder = tempfile::tempdir().unwrap();
    let start = || Killed(command(folder.path(), &aws, &["api"]).spawn().unwrap());
    assert!(command(folder.path(), &aws, &["migrate"]).status().unwrap().success());
    let mut processes: Vec<_> = (0..3).map(|_| start()).collect();
    let until = Instant::now() + LONG;
    let mut nth = 0;
    let periods = loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let published = published(&client).await;
        for (at, values) in &published {
            assert!((values - 1.0).abs() < f64::EPSILON, "{values} at {at}: {published:?}");
            assert_eq!(at % 10, 0, "{published:?}");
        }
        if published.len() >= 4 {
            break published;
        }
        assert!(Instant::now() < until, "{published:?}");
        processes[nth % 3] = start();
        nth += 1;
    };
    let (first, last) = (periods.keys().min().unwrap(), periods.keys().max().unwrap());
    // Some may be missing: of a publisher that was killed after it had taken its turn.
    assert!(last - first <= 10 * 10, "{periods:?}");
}
