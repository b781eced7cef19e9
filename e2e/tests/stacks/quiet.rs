//! An environment that was parked: its alarms ring until its instances are there again.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use reelfleet_e2e::{
    cloud::{Cloud, deployment},
    wait_for,
};
use reelfleet_servers::Ministack;

const QUEUES: &str = "03.5-sqs-queue";

/// A machine that is busy with other things needs its time.
const SOON: Duration = Duration::from_secs(120);

/// The stack of queues, which names its alarm as one that takes an update back, as 05 and 06 do.
fn watched(cloud: &Cloud) -> String {
    let text = fs::read_to_string(deployment().join(format!("{QUEUES}.yaml"))).unwrap();
    let output = "Outputs:\n  RollbackAlarmArns: {Value: {'Fn::GetAtt': [DeadLetterAlarm, Arn]}}\n";
    let folder = cloud.folder().join("watched");
    fs::create_dir_all(&folder).unwrap();
    let text = text.replacen("Outputs:\n", output, 1);
    assert!(text.contains("RollbackAlarmArns"));
    fs::write(folder.join(format!("{QUEUES}.yaml")), text).unwrap();
    folder.display().to_string()
}

/// A group of which `park` has noted the sizes.
fn park(cloud: &Cloud) {
    let tag = "ResourceId=film-workers,ResourceType=auto-scaling-group,Key=parked,Value=1/3/1,PropagateAtLaunch=false";
    let _ = cloud.aws(&["autoscaling", "create-or-update-tags", "--tags", tag]);
}

fn alarm(cloud: &Cloud, state: &str) {
    let words = ["cloudwatch", "set-alarm-state", "--alarm-name", "film-dead-letters"];
    let _ =
        cloud.aws(&[&words[..], &["--state-value", state, "--state-reason", "a test"]].concat());
}

fn up<'a>(templates: &'a str, threshold: &'a str) -> Vec<&'a str> {
    let what = ["--parameters", "small", "--only", QUEUES, "--templates", templates];
    [&what[..], &["--set", threshold]].concat()
}

/// A script under way, whose words are in a file.
struct Underway(Child);

impl Underway {
    fn start(cloud: &Cloud, said: &Path, words: &[&str]) -> Self {
        let file = fs::File::create(said).unwrap();
        let mut script = cloud.script("up", "film");
        script.args(words).stdout(file.try_clone().unwrap()).stderr(file).stdin(Stdio::null());
        Self(script.spawn().unwrap())
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn threshold(cloud: &Cloud) -> f64 {
    let words = ["cloudwatch", "describe-alarms", "--alarm-names", "film-queue-depth-normal"];
    cloud.aws(&words)["MetricAlarms"][0]["Threshold"].as_f64().unwrap()
}

#[test]
fn after_a_park_an_update_waits_until_the_alarms_are_quiet_but_not_for_ever() {
    let emulator = Ministack::start();
    let cloud = Cloud::at(&emulator.endpoint());
    let templates = watched(&cloud);
    let _ =
        cloud.deploy("up", "film", &up(&templates, "03.5-sqs-queue:QueueDepthThreshold=7")).fine();
    assert!((threshold(&cloud) - 7.0).abs() < 0.1);
    let group = ["autoscaling", "create-auto-scaling-group", "--auto-scaling-group-name"];
    let sizes = ["film-workers", "--min-size", "0", "--max-size", "0", "--desired-capacity", "0"];
    let zones = ["--availability-zones", "us-east-1a"];
    let _ = cloud.aws(&[&group[..], &sizes, &zones].concat());
    park(&cloud);
    alarm(&cloud, "ALARM");

    // It waits, and updates nothing; when the alarm is quiet it goes on.
    let said = cloud.folder().join("said");
    let eight = up(&templates, "03.5-sqs-queue:QueueDepthThreshold=8");
    let mut underway = Underway::start(&cloud, &said, &eight);
    wait_for("it to say that it waits", SOON, || {
        text(&said)
            .contains("waiting until film-dead-letters is quiet, at most 20 minutes")
            .then_some(())
    });
    assert_eq!(underway.0.try_wait().unwrap(), None, "{}", text(&said));
    assert!((threshold(&cloud) - 7.0).abs() < 0.1);
    alarm(&cloud, "OK");
    let status = wait_for("it to go on", SOON, || underway.0.try_wait().unwrap());
    assert!(status.success(), "{}", text(&said));
    assert!(text(&said).contains("film-workers goes back to 1 to 3 instances"), "{}", text(&said));
    assert!((threshold(&cloud) - 8.0).abs() < 0.1);

    // An alarm that rings on: it gives up after its time, and says so.
    park(&cloud);
    alarm(&cloud, "ALARM");
    let nine = up(&templates, "03.5-sqs-queue:QueueDepthThreshold=9");
    let said = cloud.deploy("up", "film", &[&nine[..], &["--timeout", "0"]].concat());
    let why = "film-dead-letters is still ringing 0 minutes after";
    said.refused(3, &[why, "Nothing was updated"]);
    assert!((threshold(&cloud) - 8.0).abs() < 0.1);
    // The next one finds no parked environment any more, and does not wait at all.
    cloud.deploy("up", "film", &nine).refused(3, &["film-dead-letters is ringing, and would roll"]);
}
