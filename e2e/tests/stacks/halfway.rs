//! What was begun and not ended: the next one goes on from there, and nothing is lost.

use std::fs;

use reelfleet_e2e::cloud::{Cloud, Said, deployment, run};
use reelfleet_servers::Ministack;
use serde_json::{Value, json};

use crate::recorded::recorded;

const QUEUES: [&str; 4] = ["--parameters", "small", "--only", "03.5-sqs-queue"];

fn group(cloud: &Cloud) -> Value {
    cloud.aws(&["autoscaling", "describe-auto-scaling-groups"])["AutoScalingGroups"][0].clone()
}

fn largest(cloud: &Cloud) -> Value {
    group(cloud)["MaxSize"].clone()
}

fn parked(cloud: &Cloud) -> bool {
    group(cloud)["Tags"]
        .as_array()
        .is_some_and(|tags| tags.iter().any(|tag| tag["Key"] == "parked"))
}

fn alarms_ring(cloud: &Cloud) -> bool {
    let answer = cloud.aws(&["cloudwatch", "describe-alarms", "--alarm-name-prefix", "film-"]);
    let alarms = answer["MetricAlarms"].as_array().unwrap();
    assert!(!alarms.is_empty());
    alarms.iter().all(|alarm| alarm["ActionsEnabled"] == true)
}

#[test]
fn a_park_or_a_start_that_breaks_off_leaves_no_alarm_switched_off_for_good() {
    let emulator = Ministack::start();
    let cloud = Cloud::at(&emulator.endpoint());
    let _ = cloud.deploy("up", "film", &QUEUES).fine();
    let name = ["autoscaling", "create-auto-scaling-group", "--auto-scaling-group-name"];
    let sizes = ["film-workers", "--min-size", "0", "--max-size", "3", "--desired-capacity", "0"];
    let _ = cloud.aws(&[&name[..], &sizes, &["--availability-zones", "us-east-1a"]].concat());

    // Without a note of its sizes nothing is parked.
    let (said, _) = recorded(&cloud, "park", "film", &[], Some("create-or-update-tags"));
    said.refused(1, &["film-workers: its sizes cannot be noted. Nothing was parked"]);
    assert!(alarms_ring(&cloud) && largest(&cloud) == json!(3));

    // Noted, and no further: the next `up` begins by that note.
    let (said, _) = recorded(&cloud, "park", "film", &[], Some("update-auto-scaling-group"));
    said.refused(1, &["film-workers: its size cannot be set"]);
    assert!(parked(&cloud) && !alarms_ring(&cloud));
    let _ = cloud.deploy("up", "film", &QUEUES).fine();
    assert!(!parked(&cloud) && alarms_ring(&cloud) && largest(&cloud) == json!(3));

    let _ = cloud.deploy("park", "film", &[]).fine();
    assert!(parked(&cloud) && !alarms_ring(&cloud) && largest(&cloud) == json!(0));
    let (said, _) = recorded(&cloud, "up", "film", &QUEUES, Some("enable-alarm-actions"));
    said.refused(1, &["the alarms cannot be switched"]);
    assert!(parked(&cloud), "else nobody switches them on again");

    // It costs money, so whoever cannot be asked does not start it.
    let mut script = cloud.command(deployment().join("deploy.sh"));
    script.args(["up", "--environment", "film", "--endpoint-url", &emulator.endpoint()]);
    let said = Said::of(&run(script.args(QUEUES)));
    said.refused(1, &["film is parked. Start its database and instances again", "nobody to ask"]);

    let _ = cloud.deploy("up", "film", &QUEUES).fine();
    assert!(!parked(&cloud) && alarms_ring(&cloud) && largest(&cloud) == json!(3));
}

#[test]
fn a_release_is_never_written_over_another_bundle_of_its_version() {
    let emulator = Ministack::start();
    let cloud = Cloud::at(&emulator.endpoint());
    let _ = cloud.aws(&["s3api", "create-bucket", "--bucket", "artifacts"]);
    let name = "reelfleet-1.2.3-linux-x86_64.tar.gz";
    let bundle = cloud.folder().join(name);
    fs::write(cloud.folder().join("SCHEMA"), "1\n").unwrap();
    let mut tar = cloud.command("tar");
    let tar = tar.arg("-czf").arg(&bundle).arg("-C").arg(cloud.folder()).arg("./SCHEMA");
    let _ = Said::of(&run(tar)).fine();
    let put = |file: &str| {
        let key = format!("releases/1.2.3/{name}");
        let words = ["s3api", "put-object", "--bucket", "artifacts", "--key", &key, "--body", file];
        let _ = cloud.aws(&words);
    };
    let upload = || {
        let mut script = cloud.command(deployment().join("release.sh"));
        script.arg("--file").arg(&bundle).args(["--upload", "artifacts"]);
        Said::of(&run(script.args(["--endpoint-url", &emulator.endpoint()])))
    };

    // Somebody else's, who has not written its digest yet.
    put(&cloud.folder().join("SCHEMA").display().to_string());
    upload().refused(1, &["holds another bundle of this version"]);
    let keys = cloud.aws(&["s3api", "list-objects-v2", "--bucket", "artifacts"]);
    assert_eq!(keys["Contents"].as_array().unwrap().len(), 1, "{keys}");
    // The same one, of an upload that was broken off.
    put(&bundle.display().to_string());
    assert!(upload().fine().contains("uploaded to s3://artifacts/releases/1.2.3"));
}

#[test]
fn a_version_that_is_none_is_refused_before_anything_is_built() {
    let cloud = Cloud::at("http://127.0.0.1:1");
    let mut script = cloud.command(deployment().join("release.sh"));
    let said = Said::of(&run(script.args(["--version", "a b"])));
    said.refused(1, &["'a b' is no version"]);
    assert!(!said.text.contains("cargo") && !said.text.contains("Compiling"), "{}", said.text);
}
