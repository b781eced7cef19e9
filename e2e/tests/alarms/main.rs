//! Alarms, from a job that gives up to the message that somebody reads, and back: on localstack-core,
//! whose alarms go by what is measured.
//!
//! ```text
//! worker dies ─► job dead ─┬─ letter ─► SQS ─► AWS/SQS ───┐
//!                          └─ JobsDead ─► Reelfleet ──────┴─► alarm ─► SNS ─► a queue, for a mailbox
//! ```

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod account;

use std::{fs, time::Duration};

use account::{ENVIRONMENT, account};
use reelfleet_e2e::{
    Deployed, Role, clips,
    cloud::{Cloud, Said, run},
    wait_for,
};
use reelfleet_servers::Localstack;
use rustix::process::Signal;
use serde_json::Value;

/// For what the emulator's alarms take: three periods of ten seconds until they are silent, after
/// the minute in which a letter goes. It is mostly waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// Both tell of a dead job: the one by its letter, the other by what the fleet publishes.
const RING: [&str; 2] = ["film-dead-letters", "film-jobs-dead"];

/// B6: and the job that was redriven is done, once.
#[test]
fn a_job_that_gave_up_rings_and_is_silent_again_when_it_was_redriven() {
    let Some(aws) = Localstack::start("alarms, from a dead job to a message and back") else {
        return;
    };
    let cloud = Cloud::at(&aws.endpoint());
    let mailbox = account(&cloud);
    let letters = || cloud.messages(&aws.queue_url("film-jobs-dead"));
    let fleet = Deployed::start(&[
        ("QUEUE_TYPE", "sqs"),
        ("SQS_QUEUE_URL", &aws.queue_url("film-jobs")),
        ("SQS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", &aws.endpoint()),
        ("CLOUDWATCH_ENVIRONMENT", ENVIRONMENT),
        ("CLOUDWATCH_PERIOD_SECONDS", "10"),
        ("MAX_ATTEMPTS", "1"),
    ]);
    wait_for("alarms that have looked", PATIENCE, || {
        RING.iter().all(|name| state(&cloud, name) == "OK").then_some(())
    });

    // Its one try dies with its worker.
    let worker = fleet.worker("worker-a", &[]);
    fleet.wait_ready(&worker);
    let video = fleet.submit(&clips::medium(fleet.folder()));
    wait_for("its ffmpeg", PATIENCE, || worker.encodes().then_some(()));
    worker.signal(Signal::KILL);
    drop(worker);
    assert_eq!(fleet.wait_final(&video)["status"], "failed");
    let job = fleet.job(&video);
    assert_eq!((&job["state"], &job["attempts"]), (&"dead".into(), &1.into()), "{job}");

    let mut mails = Vec::new();
    wait_for("the message of each alarm", PATIENCE, || {
        read(&cloud, &mailbox, &mut mails);
        RING.iter().all(|name| last(&mails, name) == Some("ALARM")).then_some(())
    });
    for name in RING {
        assert_eq!(state(&cloud, name), "ALARM");
    }
    // Other queues of the same namespace are another matter.
    for name in ["film-queue-depth-normal", "film-queue-oldest-normal", "film-jobs-waiting"] {
        assert_eq!((state(&cloud, name).as_str(), rang(&mails, name)), ("OK", 0), "{name}");
    }
    assert!(most(&cloud, "JobsDead") >= 1.0);
    assert_eq!(letters(), 1);

    // Nobody kills the next one.
    let worker = fleet.worker("worker-b", &[]);
    redrive(&cloud, &fleet, job["id"].as_str().unwrap());
    assert_eq!(fleet.wait_final(&video)["status"], "ready");
    done_once(&fleet, &video, &worker);
    wait_for("each alarm to say that it is over", PATIENCE, || {
        read(&cloud, &mailbox, &mut mails);
        RING.iter().all(|name| last(&mails, name) == Some("OK")).then_some(())
    });
    assert_eq!(letters(), 0);
    for name in RING {
        assert_eq!(rang(&mails, name), 1, "{mails:?}");
    }
    // And that somebody works was known.
    wait_for("the alarm on silent workers", PATIENCE, || {
        (state(&cloud, "film-workers-not-heard") == "OK").then_some(())
    });
}

/// What a release looks like that begins every job and ends none, which takes its update back. Files
/// that are no videos look otherwise, however many there are.
#[test]
fn videos_that_all_fail_by_a_fault_of_the_fleet_ring_until_one_is_done_and_bad_files_never() {
    let Some(aws) = Localstack::start("an alarm on jobs that all fail") else { return };
    let cloud = Cloud::at(&aws.endpoint());
    let _ = account(&cloud);
    let taken_back = cloud.output("film-06-workers-autoscaling", "RollbackAlarmArns");
    assert!(taken_back.split(',').any(|arn| arn.ends_with(":alarm:film-jobs-failing")));
    let fleet = Deployed::start(&[
        ("AWS_ENDPOINT_URL", &aws.endpoint()),
        ("CLOUDWATCH_ENVIRONMENT", ENVIRONMENT),
        ("CLOUDWATCH_PERIOD_SECONDS", "10"),
    ]);
    let sources = fleet.folder().join("blobs/sources");
    let away = fleet.folder().join("away");
    let clip = clips::short(fleet.folder());
    let none = fleet.folder().join("none.mp4");
    fs::write(&none, "no video").unwrap();

    let worker = fleet.worker("worker-a", &[]);
    fleet.wait_ready(&worker);
    let bad: Vec<_> = (0..4).map(|_| fleet.submit(&none)).collect();
    for video in &bad {
        assert_eq!(fleet.wait_final(video)["status"], "failed");
    }
    wait_for("the alarm on dead jobs", PATIENCE, || {
        (state(&cloud, "film-jobs-dead") == "ALARM").then_some(())
    });
    // As long as it takes to ring, it knows of nothing.
    assert_eq!(
        (state(&cloud, "film-jobs-failing").as_str(), most(&cloud, "JobsFailing")),
        ("OK", 0.0)
    );
    assert!(most(&cloud, "JobsDead") >= 4.0);

    // No worker reads a source, as with a role that may not.
    drop(worker);
    let videos: Vec<_> = (0..3).map(|_| fleet.submit(&clip)).collect();
    fs::rename(&sources, &away).unwrap();
    let _worker = fleet.worker("worker-b", &[]);
    wait_for("the alarm on failing jobs", PATIENCE, || {
        (state(&cloud, "film-jobs-failing") == "ALARM").then_some(())
    });
    assert!(most(&cloud, "JobsFailing") >= 3.0);
    let tried = fleet.job(&videos[0]);
    assert_eq!(tried["attempts_history"][0]["outcome"], "retry", "{tried}");

    // And then one does. The others wait for their next tries still.
    let _ = fs::remove_dir(&sources);
    fs::rename(&away, &sources).unwrap();
    assert_eq!(fleet.wait_final(&fleet.submit(&clip))["status"], "ready");
    wait_for("the alarm to be silent", PATIENCE, || {
        (state(&cloud, "film-jobs-failing") == "OK").then_some(())
    });
}

/// What came into the mailbox.
#[derive(Debug)]
struct Mail {
    at: String,
    alarm: String,
    state: String,
}

/// Adds what has come since.
fn read(cloud: &Cloud, mailbox: &str, mails: &mut Vec<Mail>) {
    let receive = ["sqs", "receive-message", "--queue-url", mailbox];
    let patient = ["--max-number-of-messages", "10", "--wait-time-seconds", "5"];
    let answer = cloud.aws(&[&receive[..], &patient].concat());
    for message in answer["Messages"].as_array().into_iter().flatten() {
        let inner = |of: &Value| serde_json::from_str::<Value>(of.as_str().unwrap()).unwrap();
        let told = inner(&inner(&message["Body"])["Message"]);
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        mails.push(Mail {
            at: text("StateChangeTime"),
            alarm: text("AlarmName"),
            state: text("NewStateValue"),
        });
    }
    // Neither SNS nor a standard queue keeps an order.
    mails.sort_by(|a, b| a.at.cmp(&b.at));
}

/// What an alarm said last.
fn last<'a>(mails: &'a [Mail], alarm: &str) -> Option<&'a str> {
    mails.iter().rev().find(|mail| mail.alarm == alarm).map(|mail| mail.state.as_str())
}

/// How often an alarm rang.
fn rang(mails: &[Mail], alarm: &str) -> usize {
    mails.iter().filter(|mail| mail.alarm == alarm && mail.state == "ALARM").count()
}

fn state(cloud: &Cloud, alarm: &str) -> String {
    let answer = cloud.aws(&["cloudwatch", "describe-alarms", "--alarm-names", alarm]);
    answer["MetricAlarms"][0]["StateValue"].as_str().unwrap().to_owned()
}

/// The most that was published of a metric.
fn most(cloud: &Cloud, metric: &str) -> f64 {
    let now = jiff::Timestamp::now();
    let span = jiff::SignedDuration::from_mins(10);
    let (from, to) = ((now - span).to_string(), (now + span).to_string());
    let of = ["--metric-name", metric, "--dimensions", "Name=Environment,Value=film"];
    let metric = ["cloudwatch", "get-metric-statistics", "--namespace", "Reelfleet"];
    let when = ["--start-time", &from, "--end-time", &to, "--period", "10"];
    let answer = cloud.aws(&[&metric[..], &of, &when, &["--statistics", "Maximum"]].concat());
    let points = answer["Datapoints"].as_array().unwrap().iter();
    points.map(|point| point["Maximum"].as_f64().unwrap()).fold(0.0, f64::max)
}

fn redrive(cloud: &Cloud, fleet: &Deployed, job: &str) {
    let mut script = cloud.script("redrive", ENVIRONMENT);
    script
        .env("REELFLEET_URL", &fleet.client.url)
        .env("REELFLEET_TOKEN", &fleet.client.token)
        .arg(job);
    let said = Said::of(&run(&mut script)).fine();
    assert!(said.contains("1 due again, 0 were not dead"), "{said}");
}

fn done_once(fleet: &Deployed, video: &str, worker: &Role) {
    let job = fleet.job(video);
    let history = job["attempts_history"].as_array().unwrap();
    let outcomes: Vec<_> = history.iter().map(|attempt| attempt["outcome"].as_str()).collect();
    assert_eq!(outcomes, [Some("worker_lost"), Some("done")], "{job}");
    assert_eq!(history[1]["worker"], worker.id.as_str());
}
