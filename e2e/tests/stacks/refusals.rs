//! What deploy.sh does not do, and what it says of what went wrong.

use std::{fs, path::PathBuf};

use reelfleet_e2e::cloud::{Cloud, deployment};
use reelfleet_servers::Ministack;

const QUEUES: &str = "03.5-sqs-queue";

/// The stack of queues with one thing changed, as a folder of templates.
fn changed(cloud: &Cloud, folder: &str, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(deployment().join(format!("{QUEUES}.yaml"))).unwrap();
    assert!(text.contains(from), "{from} is not in it");
    let folder = cloud.folder().join(folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{QUEUES}.yaml")), text.replacen(from, to, 1)).unwrap();
    folder
}

fn up(cloud: &Cloud, words: &[&str]) -> reelfleet_e2e::cloud::Said {
    let all = [&["--parameters", "small", "--only", QUEUES], words].concat();
    cloud.deploy("up", "film", &all)
}

fn queues(cloud: &Cloud) -> String {
    cloud.aws(&["sqs", "list-queues"])["QueueUrls"].to_string()
}

fn change_sets(cloud: &Cloud) -> usize {
    let stack = format!("film-{}", QUEUES.replace('.', "-"));
    let answer = cloud.aws(&["cloudformation", "list-change-sets", "--stack-name", &stack]);
    answer["Summaries"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_failed_creation_tells_its_first_failure_and_the_next_try_begins_anew() {
    let emulator = Ministack::start();
    let cloud = Cloud::at(&emulator.endpoint());
    let broken = changed(&cloud, "broken", "VisibilityTimeout: 30", "VisibilityTimeout: 99999");
    let said = up(&cloud, &["--templates", &broken.display().to_string()]);
    said.refused(
        1,
        &["First failure: DeadQueue (AWS::SQS::Queue)", "03.5-sqs-queue: ROLLBACK_COMPLETE"],
    );
    let said = cloud.deploy("status", "film", &[]).fine();
    assert!(said.contains("was never whole"), "{said}");

    let said = up(&cloud, &[]).fine();
    assert!(said.contains("a creation that failed is deleted"), "{said}");
    assert!(queues(&cloud).contains("film-jobs-transcode-high"));
}

#[test]
fn a_queue_is_neither_replaced_nor_deleted_unless_it_is_named() {
    let emulator = Ministack::start();
    let cloud = Cloud::at(&emulator.endpoint());
    let _ = up(&cloud, &[]).fine();

    let name = |last: &str| format!("QueueName: !Sub '${{EnvironmentName}}-jobs-noop-{last}'");
    let other = changed(&cloud, "other", &name("low"), &name("last")).display().to_string();
    let with = |allowed: &str| {
        let words = ["--templates", &other, "--allow-stateful-replacement", allowed];
        up(&cloud, if allowed.is_empty() { &words[..2] } else { &words })
    };
    let before = change_sets(&cloud);
    with("").refused(3, &["REPLACE", "03.5-sqs-queue/NoopLowQueue", "Nothing was changed"]);
    // Another name does not help.
    with("03.5-sqs-queue/DeadQueue").refused(3, &["03.5-sqs-queue/NoopLowQueue"]);
    assert!(queues(&cloud).contains("film-jobs-noop-low"));
    // None is left for somebody to run by mistake.
    assert_eq!(change_sets(&cloud), before);
    // A plan shows it, and is none the worse for it.
    let plan = ["--parameters", "small", "--only", QUEUES, "--templates", &other];
    let said = cloud.deploy("plan", "film", &plan).fine();
    assert!(said.contains("!  REPLACE  NoopLowQueue"), "{said}");

    let _ = with("03.5-sqs-queue/NoopLowQueue").fine();
    assert!(queues(&cloud).contains("film-jobs-noop-last"));

    // An update that fails is told, and undone; the next one goes on from there.
    let (good, bad) = ("VisibilityTimeout: 30", "VisibilityTimeout: 99999");
    let broken = changed(&cloud, "broken", good, bad).display().to_string();
    let said = up(
        &cloud,
        &["--templates", &broken, "--allow-stateful-replacement", "03.5-sqs-queue/NoopLowQueue"],
    );
    said.refused(1, &["First failure: DeadQueue", "UPDATE_ROLLBACK_COMPLETE"]);
    let threshold = ["--templates", &other, "--set", "03.5-sqs-queue:QueueDepthThreshold=7"];
    let said = up(&cloud, &threshold).fine();
    assert!(said.contains("HighDepthAlarm (AWS::CloudWatch::Alarm): Threshold"), "{said}");
    // What was set once is kept.
    assert!(with("").fine().contains("nothing to change"));
}

#[test]
fn an_alarm_that_rings_keeps_an_update_from_beginning() {
    let emulator = Ministack::start();
    let cloud = Cloud::at(&emulator.endpoint());
    // A stack that names its alarm, as 05 and 06 do.
    let watched = changed(
        &cloud,
        "watched",
        "Outputs:\n",
        "Outputs:\n  RollbackAlarmArns: {Value: {'Fn::GetAtt': [DeadLetterAlarm, Arn]}}\n",
    );
    let watched = watched.display().to_string();
    let _ = up(&cloud, &["--templates", &watched]).fine();
    let alarm = ["cloudwatch", "set-alarm-state", "--alarm-name", "film-dead-letters"];
    let _ =
        cloud.aws(&[&alarm[..], &["--state-value", "ALARM", "--state-reason", "a test"]].concat());

    let change = ["--templates", &watched, "--set", "03.5-sqs-queue:QueueDepthThreshold=7"];
    up(&cloud, &change).refused(3, &["film-dead-letters is ringing", "--no-alarm-rollback"]);
    let _ = up(&cloud, &[&change[..], &["--no-alarm-rollback"]].concat()).fine();
}

#[test]
fn parameters_that_do_not_fit_each_other_are_refused_before_the_first_stack() {
    let emulator = Ministack::start();
    let cloud = Cloud::at(&emulator.endpoint());
    let workers = "06-workers-autoscaling";
    for (set, said) in [
        (format!("{workers}:HookTimeoutSeconds=959"), "has to be at least DrainSeconds (900)"),
        (format!("{workers}:MetricPeriod=10"), "MetricPeriod has to be the same"),
        (format!("{workers}:TargetBacklogPerWorker=11"), "ScalingTarget of 07-observability (10)"),
        (
            format!("{workers}:ScalingMetric=BacklogSecondsPerWorker"),
            "ScalingMetric has to be the same",
        ),
        (format!("{workers}:Nothing=1"), "06-workers-autoscaling.yaml has no parameter Nothing"),
    ] {
        let words = ["--parameters", "small", "--from", "05-alb-autoscaling", "--set", &set];
        let answer = cloud.deploy("up", "film", &words);
        answer.refused(3, &[said, "Nothing was changed"]);
    }
    // A file is no better than the command line.
    let file = cloud.folder().join("mine.json");
    fs::write(&file, r#"{"03.5-sqs-queue": {"Nothing": "1"}}"#).unwrap();
    let file = file.display().to_string();
    let said = cloud.deploy("up", "film", &["--parameters", &file]);
    said.refused(
        3,
        &["mine.json: 03.5-sqs-queue.yaml has no parameter Nothing", "Nothing was changed"],
    );
    assert_eq!(cloud.aws(&["cloudformation", "describe-stacks"])["Stacks"], serde_json::json!([]));
    // What the next run would undo is said, and what this one does not do.
    let depth = "03.5-sqs-queue:QueueDepthThreshold";
    fs::write(&file, r#"{"03.5-sqs-queue": {"QueueDepthThreshold": "9"}}"#).unwrap();
    for (value, undone) in [("8", true), ("9", false)] {
        let set = format!("{depth}={value}");
        let words = ["--parameters", &file, "--set", &set];
        let said = cloud.deploy("plan", "film", &words).fine();
        let note = format!("The next run without --set {set} goes back to that");
        assert_eq!(said.contains(&note), undone, "{said}");
    }
    let set = format!("{workers}:MinSize=2");
    let said = cloud.deploy("plan", "film", &["--parameters", &file, "--set", &set]).fine();
    assert!(said.contains("--set 06-workers-autoscaling:MinSize has no effect"), "{said}");
    // Sixty more are enough.
    let set = format!("{workers}:HookTimeoutSeconds=960");
    let words = ["--parameters", "small", "--from", "05-alb-autoscaling", "--set", &set];
    let _ = cloud.deploy("plan", "film", &words).fine();
}

#[test]
fn wrong_words_are_named_before_anything_is_asked() {
    let cloud = Cloud::at("http://127.0.0.1:1");
    for (words, said) in [
        (&["up", "--environment", "film"][..], "--parameters is needed"),
        (&["up", "--environment", "Film", "--parameters", "small"], "--environment needs"),
        (&["up", "--environment", "film", "--parameters", "nowhere"], "there are no parameters"),
        (
            &["up", "--environment", "film", "--parameters", "small", "--only", "08"],
            "there is no stack 08",
        ),
        (
            &["up", "--environment", "film", "--parameters", "small", "--set", "x"],
            "--set needs STACK:NAME=VALUE",
        ),
        (
            &["up", "--environment", "film", "--parameters", "small", "--only", "01.5-nat-gateway"],
            "no stack is left",
        ),
        (&["fly", "--environment", "film"], "there is no command fly"),
        (&["status", "--environment"], "--environment needs a value"),
        (&["status", "--environment", "film", "stray"], "stray is none of its options"),
    ] {
        let output = cloud.command(deployment().join("deploy.sh")).args(words).output().unwrap();
        reelfleet_e2e::cloud::Said::of(&output).refused(2, &[said]);
    }
    // Without an answer from AWS it says so, and does not take that for an empty account.
    let said = cloud.deploy("status", "film", &[]);
    said.refused(1, &["AWS does not tell of its stacks"]);
}
