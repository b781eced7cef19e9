//! A template's defaults, and what becomes of them when a newer template has others.

use std::fs;

use reelfleet_e2e::cloud::{Cloud, deployment};
use reelfleet_servers::Ministack;
use serde_json::Value;

use crate::recorded::recorded;

const QUEUES: &str = "03.5-sqs-queue";

/// The templates of a release: the queues' with these defaults, and a parameter that nobody may see.
fn release(cloud: &Cloud, name: &str, defaults: &[(&str, &str)], more: &str) -> String {
    let mut text = fs::read_to_string(deployment().join(format!("{QUEUES}.yaml"))).unwrap();
    for (from, to) in defaults {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, to);
    }
    // Its first default is what AWS shows instead of any value, so that it looks like that default.
    let hidden = if name == "old" { "'****'" } else { name };
    let secret =
        format!("Parameters:\n  Hidden: {{Type: String, NoEcho: true, Default: {hidden}}}\n");
    text = text.replacen("Parameters:\n", &format!("{secret}{more}"), 1);
    let folder = cloud.folder().join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{QUEUES}.yaml")), text).unwrap();
    folder.display().to_string()
}

/// What the change sets of a run said of a parameter.
fn told(calls: &[String], name: &str) -> Vec<Value> {
    let sets = calls.iter().filter(|call| call.contains(" create-change-set "));
    let parameters = |call: &String| -> Vec<Value> {
        let (_, rest) = call.split_once(" --parameters ").unwrap();
        serde_json::Deserializer::from_str(rest).into_iter().next().unwrap().unwrap()
    };
    sets.flat_map(parameters).filter(|one| one["ParameterKey"] == name).collect()
}

fn threshold(cloud: &Cloud, alarm: &str) -> f64 {
    let words = ["cloudwatch", "describe-alarms", "--alarm-names", alarm];
    cloud.aws(&words)["MetricAlarms"][0]["Threshold"].as_f64().unwrap()
}

/// Age and depth of the lane that most jobs are in, and how often SQS delivers a message.
fn settings(cloud: &Cloud) -> (f64, f64, String) {
    let queue = cloud.aws(&["sqs", "get-queue-url", "--queue-name", "film-jobs-transcode-normal"]);
    let queue = queue["QueueUrl"].as_str().unwrap().to_owned();
    let words = ["sqs", "get-queue-attributes", "--queue-url", &queue, "--attribute-names", "All"];
    let policy = cloud.aws(&words)["Attributes"]["RedrivePolicy"].as_str().unwrap().to_owned();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    (
        threshold(cloud, "film-queue-oldest-normal"),
        threshold(cloud, "film-queue-depth-normal"),
        policy["maxReceiveCount"].to_string().replace('"', ""),
    )
}

#[test]
fn a_new_default_comes_to_an_old_stack_and_what_somebody_chose_stays() {
    let emulator = Ministack::start();
    let cloud = Cloud::at(&emulator.endpoint());
    let set = cloud.folder().join("mine.json");
    fs::write(&set, r#"{"03.5-sqs-queue": {"MaxReceiveCount": "900"}}"#).unwrap();
    let set = set.display().to_string();
    let words = |templates: &str, more: &[&str]| -> Vec<String> {
        let words = ["--parameters", &set, "--templates", templates];
        words.iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let run = |command: &str, templates: &str, more: &[&str]| {
        let words = words(templates, more);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let (said, calls) = recorded(&cloud, command, "film", &words, None);
        (said.fine(), calls)
    };

    let old = release(&cloud, "old", &[], "");
    let _ = run("up", &old, &["--set", "03.5-sqs-queue:QueueDepthThreshold=7"]);
    assert_eq!(settings(&cloud), (1800.0, 7.0, "900".to_owned()));

    // Of all three the defaults are others now; and there is a parameter more.
    let others = [
        ("    Default: 1800\n", "    Default: 600\n"),
        ("    Default: 100\n", "    Default: 200\n"),
        ("    Default: 1000\n", "    Default: 500\n"),
    ];
    let new = release(&cloud, "new", &others, "  Further: {Type: String, Default: more}\n");
    let (said, _) = run("plan", &new, &[]);
    for line in ["OldestMessageSeconds: 1800 → 600 (a new default)", "Further: new, more"] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    for name in ["QueueDepthThreshold", "MaxReceiveCount", "Hidden"] {
        assert!(!said.contains(&format!("{name}: ")), "{name} changes in:\n{said}");
    }
    assert_eq!(settings(&cloud), (1800.0, 7.0, "900".to_owned()), "a plan changes nothing");

    let (_, calls) = run("up", &new, &[]);
    assert_eq!(settings(&cloud), (600.0, 7.0, "900".to_owned()));
    let kept = [serde_json::json!({"ParameterKey": "Hidden", "UsePreviousValue": true})];
    assert_eq!(told(&calls, "Hidden"), kept, "nobody knows whether it was chosen");

    // And so it stays. What is chosen later stays, too, whatever the templates of the next release say.
    let (said, _) = run("up", &new, &[]);
    assert!(said.contains("nothing to change"), "{said}");
    let (said, _) = run("up", &new, &["--set", "03.5-sqs-queue:OldestMessageSeconds=700"]);
    assert!(said.contains("OldestMessageSeconds: 600 → 700\n"), "{said}");
    let (said, _) = run("up", &old, &[]);
    assert!(!said.contains("OldestMessageSeconds: "), "{said}");
    assert_eq!(settings(&cloud), (700.0, 7.0, "900".to_owned()));
}
