//! One environment from nothing to nothing.

use std::fs;

use reelfleet_e2e::{Client, cloud::Cloud};
use reelfleet_servers::Ministack;
use serde_json::{Value, json};

use crate::recorded::{recorded, rollbacks};

/// The parameters of a small account, as they are delivered.
const SMALL: [&str; 2] = ["--parameters", "small"];

const OLD: &str = "1.0.0";
/// It only adds to the schema.
const ADDS: &str = "1.0.1";
/// It takes something away.
const NEW: &str = "1.1.0";

const API: &str = "05-alb-autoscaling";

/// Those of the API's stack that take an update back.
const ROLLBACK_ALARMS: [&str; 2] = ["film-api-5xx", "film-api-none"];

fn with<'a>(words: &[&'a str]) -> Vec<&'a str> {
    SMALL.iter().chain(words).copied().collect()
}

/// What `release.sh --upload` puts there, but for the bundle, which no emulated instance fetches.
pub(crate) fn upload(cloud: &Cloud, bucket: &str, version: &str, schema: &str) {
    let digest = "0123456789abcdef".repeat(4);
    let name = format!("reelfleet-{version}-linux-x86_64.tar.gz");
    for (key, text) in [
        (format!("{name}.sha256"), format!("{digest}  {name}\n")),
        ("SCHEMA".into(), schema.into()),
    ] {
        let file = cloud.folder().join("upload");
        fs::write(&file, text).unwrap();
        let (file, key) = (file.display().to_string(), format!("releases/{version}/{key}"));
        let _ =
            cloud.aws(&["s3api", "put-object", "--bucket", bucket, "--key", &key, "--body", &file]);
    }
}

fn groups(cloud: &Cloud) -> Vec<Value> {
    let answer = cloud.aws(&["autoscaling", "describe-auto-scaling-groups"]);
    let mut groups = answer["AutoScalingGroups"].as_array().unwrap().clone();
    groups.sort_by_key(|group| group["AutoScalingGroupName"].to_string());
    groups
}

fn sizes(cloud: &Cloud) -> Vec<Value> {
    let sizes =
        |group: &Value| json!([group["MinSize"], group["MaxSize"], group["DesiredCapacity"]]);
    groups(cloud).iter().map(sizes).collect()
}

fn version_of(cloud: &Cloud, stack: &str) -> String {
    cloud.output(stack, "AppVersion")
}

fn stacks(cloud: &Cloud) -> Vec<String> {
    let answer = cloud.aws(&["cloudformation", "describe-stacks"]);
    let stacks = answer["Stacks"].as_array().unwrap().iter();
    let mut names: Vec<_> =
        stacks.map(|stack| stack["StackName"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_environment_is_made_updated_parked_started_again_and_taken_down() {
    let emulator = Ministack::start();
    let cloud = Cloud::at(&emulator.endpoint());

    // A fresh account: everything can be looked at, and nothing is there.
    let said = cloud.deploy("status", "film", &[]).fine();
    assert!(said.contains("no stack of the environment film"), "{said}");
    let said = cloud.deploy("plan", "film", &with(&["--to", "02-s3-iam"])).fine();
    assert!(said.contains("film-01-vpc-networking: new"), "{said}");
    assert!(said.contains("AWS::S3::Bucket") && stacks(&cloud).is_empty(), "{said}");

    // As far as it goes without a release; the script says what is missing.
    let said = cloud.deploy("up", "film", &SMALL);
    let bucket = cloud.output("film-02-s3-iam", "ArtifactBucket");
    said.refused(3, &["05-alb-autoscaling needs a release", &bucket]);
    let delete = ["cloudformation", "delete-stack", "--stack-name"];
    for stack in ["film-02-s3-iam", "film-03-5-sqs-queue", "film-04-rds-database"] {
        let answer = cloud.try_aws(&[&delete[..], &[stack]].concat());
        assert!(answer.text.contains("TerminationProtection"), "{}", answer.text);
    }
    let policy = ["cloudformation", "get-stack-policy", "--stack-name", "film-04-rds-database"];
    let policy = cloud.aws(&policy);
    assert!(policy["StackPolicyBody"].as_str().unwrap().contains("AWS::RDS::DBInstance"));

    // The rest. The emulator has no alarms over several metrics.
    let groups = ["--from", "05-alb-autoscaling", "--set", "07-observability:MathAlarms=no"];
    let release = |version| with(&[&groups[..], &["--version", version]].concat());
    cloud.deploy("up", "film", &release(OLD)).refused(3, &["release 1.0.0 is not in"]);
    for (version, schema) in [(OLD, "4 4\n"), (ADDS, "5 4\n"), (NEW, "7 5\n")] {
        upload(&cloud, &bucket, version, schema);
    }
    let said = cloud.deploy("up", "film", &release(OLD)).fine();
    assert!(said.contains("The fleet: http://"), "{said}");
    assert_eq!(version_of(&cloud, "film-06-workers-autoscaling"), OLD);
    assert_eq!(sizes(&cloud), [json!([1, 3, 1]), json!([1, 3, 1])]);
    numbers_stay_inside(&cloud, &emulator.endpoint());

    // An update: planned, which changes nothing, then made.
    let slow = [&release(NEW)[..], &["--set", "05-alb-autoscaling:SlowSeconds=9"]].concat();
    let said = cloud.deploy("plan", "film", &slow).fine();
    for word in [
        "AppVersion: 1.0.0 → 1.1.0",
        "SlowSeconds: 10 → 9",
        "brings 3 migrations, and 1.0.0 does not",
    ] {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
    assert!(
        said.contains("LaunchTemplate (AWS::EC2::LaunchTemplate): LaunchTemplateData"),
        "{said}"
    );
    assert_eq!(version_of(&cloud, "film-05-alb-autoscaling"), OLD);
    // What rings takes an update back, unless nobody wants it.
    alarms_take_back(&cloud, &release(ADDS), &release(OLD));
    // Nor where it cannot: no old instance starts on the schema of a release that takes something away.
    let (said, calls) = recorded(&cloud, "up", "film", &release(NEW), None);
    let said = said.fine();
    assert!(said.contains("forward only: the release brings 3 migrations,"), "{said}");
    let none = json!({"RollbackTriggers": [], "MonitoringTimeInMinutes": 0});
    assert_eq!(rollbacks(&calls)[..2], [none.clone(), none], "{calls:?}");
    assert_eq!(version_of(&cloud, "film-05-alb-autoscaling"), NEW);
    assert_eq!(version_of(&cloud, "film-06-workers-autoscaling"), NEW);

    // Back to a release that does not know the schema any more.
    let said = cloud.deploy("up", "film", &release(OLD));
    said.refused(3, &["1.0.0 knows migrations up to 4, and the schema of 1.1.0 needs 5"]);
    let said =
        cloud.deploy("plan", "film", &[&release(ADDS)[..], &["--only", API]].concat()).fine();
    assert!(said.contains("AppVersion: 1.1.0 → 1.0.1"), "{said}");

    look(&cloud);
    park_and_start(&cloud);
    take_down(&cloud);
}

/// From the old release to one that adds to its schema, and back.
fn alarms_take_back(cloud: &Cloud, adds: &[&str], old: &[&str]) {
    let with = |release: &[&str], words: &[&str]| {
        let slow = ["--only", API, "--alarm-minutes", "7", "--set"];
        let (said, calls) = recorded(cloud, "up", "film", &[release, &slow, words].concat(), None);
        let said = said.fine();
        assert!(!said.contains("forward only"), "{said}");
        (said, rollbacks(&calls))
    };
    let (said, given) = with(adds, &["05-alb-autoscaling:SlowSeconds=11"]);
    let works = "brings 1 migration, and 1.0.0 works on that schema, too";
    assert!(said.contains(works), "{said}");
    assert_eq!((given.len(), &given[0]["MonitoringTimeInMinutes"]), (1, &json!(7)), "{given:?}");
    let triggers = given[0]["RollbackTriggers"].as_array().unwrap();
    let mut names: Vec<_> = triggers
        .iter()
        .map(|trigger| {
            assert_eq!(trigger["Type"], "AWS::CloudWatch::Alarm");
            trigger["Arn"].as_str().unwrap().rsplit(':').next().unwrap()
        })
        .collect();
    names.sort_unstable();
    assert_eq!(names, ROLLBACK_ALARMS);
    // Back, though it knows less, as that is enough.
    let words = ["05-alb-autoscaling:SlowSeconds=12", "--no-alarm-rollback"];
    let (said, given) = with(old, &words);
    assert!(!said.contains("migration"), "{said}");
    assert_eq!(version_of(cloud, "film-05-alb-autoscaling"), OLD);
    assert_eq!(given, [json!({"RollbackTriggers": [], "MonitoringTimeInMinutes": 0})]);
}

/// Through the load balancer, which this emulator plays. Behind it is nobody.
fn numbers_stay_inside(cloud: &Cloud, endpoint: &str) {
    let answer = cloud.aws(&["elbv2", "describe-load-balancers"]);
    let name = answer["LoadBalancers"][0]["LoadBalancerName"].as_str().unwrap().to_owned();
    let client = Client::new(&format!("{endpoint}/_alb/{name}"), "");
    for path in ["/metrics", "/metrics?all", "/metrics/"] {
        let answer = client.call("GET", path).unwrap();
        assert_eq!((answer.status, &answer.json["code"]), (404, &"not_found".into()), "{path}");
    }
    for path in ["/health", "/", "/metric", "/api/metrics"] {
        let answer = client.call("GET", path).unwrap();
        assert_eq!(answer.status, 503, "{path} is handed on: {}", answer.json);
    }
}

fn look(cloud: &Cloud) {
    let alarm = ["cloudwatch", "set-alarm-state", "--alarm-name", "film-dead-letters"];
    let alarm = [&alarm[..], &["--state-value", "ALARM", "--state-reason", "a test"]].concat();
    let metric = ["cloudwatch", "put-metric-data", "--namespace", "Reelfleet"];
    let value = ["--dimensions", "Environment=film", "--metric-name", "BacklogPerWorker"];
    let metric = [&metric[..], &value, &["--value", "7.5"]].concat();
    let queue = cloud.aws(&["sqs", "get-queue-url", "--queue-name", "film-jobs-transcode-normal"]);
    let queue = queue["QueueUrl"].as_str().unwrap().to_owned();
    let message = ["sqs", "send-message", "--queue-url", &queue, "--message-body", "hello"];
    let group = ["--log-group-name", "/reelfleet/film/worker", "--log-stream-name", "i-1"];
    let stream = [&["logs", "create-log-stream"][..], &group].concat();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let event = format!("timestamp={now},message=hello");
    let line = [&["logs", "put-log-events"][..], &group, &["--log-events", &event]].concat();
    for words in [&alarm[..], &metric, &message, &stream, &line] {
        let _ = cloud.aws(words);
    }

    let said = cloud.deploy("status", "film", &[]).fine();
    for line in [
        "stack film-05-alb-autoscaling: UPDATE_COMPLETE, release 1.1.0",
        "database: available, db.t3.micro",
        "group film-workers: 0 in service of 1 wanted (1 to 3)",
        "metric BacklogPerWorker: 7.5",
        "queue film-jobs-transcode-normal: 1 waiting, 0 in hand",
        "RINGS film-dead-letters: A job gave up",
        "WARNING: no certificate",
        "WARNING: nobody hears of an alarm",
        "The fleet: http://",
    ] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    let said = cloud.deploy("logs", "film", &["--role", "worker"]).fine();
    assert!(said.ends_with("worker i-1 hello\n"), "{said}");
}

fn park_and_start(cloud: &Cloud) {
    let said = cloud.deploy("park", "film", &[]).fine();
    assert!(said.contains("The database stops"), "{said}");
    // Twice is as good as once: the sizes of before are still known.
    let said = cloud.deploy("park", "film", &[]).fine();
    assert!(said.contains("The database is stopped"), "{said}");
    assert_eq!(sizes(cloud), [json!([0, 0, 0]), json!([0, 0, 0])]);
    let said = cloud.deploy("status", "film", &[]).fine();
    for word in ["0 wanted (0 to 0), parked", "switched off", "database: stopped"] {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }

    let _ = cloud.deploy("up", "film", &with(&["--only", "06-workers-autoscaling"])).fine();
    assert_eq!(sizes(cloud), [json!([1, 3, 1]), json!([1, 3, 1])]);
    let alarms = cloud.aws(&["cloudwatch", "describe-alarms", "--alarm-name-prefix", "film-"]);
    let mut alarms = alarms["MetricAlarms"].as_array().unwrap().iter();
    assert!(alarms.all(|alarm| alarm["ActionsEnabled"] == true));
    let database = cloud.aws(&["rds", "describe-db-instances"]);
    assert_eq!(database["DBInstances"][0]["DBInstanceStatus"], "available");
}

fn take_down(cloud: &Cloud) {
    let buckets = || cloud.aws(&["s3api", "list-buckets"])["Buckets"].as_array().unwrap().len();
    assert_eq!(buckets(), 3);

    // What cannot be done as it was said is found out before anything goes.
    let before = stacks(cloud);
    let down = |words: &[&str]| cloud.deploy("down", "film", words);
    down(&["--delete-bucket", "nobodys"]).refused(3, &["nobodys is none of film"]);
    down(&["--delete", "03.5-sqs-queue"])
        .refused(3, &["is needed by 04-rds-database; delete that"]);
    let artifacts = cloud.output("film-02-s3-iam", "ArtifactBucket");
    down(&["--delete-bucket", &artifacts]).refused(3, &["add --delete 02-s3-iam"]);
    assert_eq!(stacks(cloud), before);

    // What holds data stays, with what that needs.
    let said = cloud.deploy("down", "film", &[]).fine();
    assert!(said.contains("kept: 04-rds-database"), "{said}");
    let kept = ["01-vpc-networking", "02-s3-iam", "03-5-sqs-queue", "04-rds-database"];
    assert_eq!(stacks(cloud), kept.map(|stack| format!("film-{stack}")));

    // Named, it goes; buckets still stay.
    let delete = ["--delete", "04-rds-database", "--delete", "03.5-sqs-queue"];
    let rest = ["--delete", "02-s3-iam", "--delete-bucket", &artifacts];
    let said = cloud.deploy("down", "film", &[&delete[..], &rest].concat()).fine();
    assert!(
        said.contains("buckets that stay") && said.contains("its last snapshot stays"),
        "{said}"
    );
    assert!(stacks(cloud).is_empty(), "{:?}", stacks(cloud));
    assert_eq!(buckets(), 2);
}
