//! An account with the stacks that hold alarms, and a mailbox that their topic writes to.
//!
//! The templates are the project's own, but for one number: a period of an alarm is ten seconds
//! rather than a minute. What they take from stacks that the emulator cannot make is stood in for by
//! names; what it does not know in them (groups, launch templates) it passes over.

use std::{collections::BTreeSet, fs};

use reelfleet_e2e::{
    cloud::{Cloud, deployment},
    wait_for,
};
use serde_json::{Value, json};

use crate::PATIENCE;

pub(crate) const ENVIRONMENT: &str = "film";

const PERIOD: &str = " Period: 60\n";
const SHORTER: &str = " Period: 10\n";

const RELEASE: [&str; 2] = [
    "ParameterKey=AppVersion,ParameterValue=1.0.0",
    "ParameterKey=AppSha256,ParameterValue=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
];

/// Makes the stacks; the address of the mailbox.
pub(crate) fn account(cloud: &Cloud) -> String {
    let [queues, workers, observability] =
        ["03.5-sqs-queue", "06-workers-autoscaling", "07-observability"].map(template);
    create(cloud, "film-03-5-sqs-queue", &queues, &[]);
    let topic = cloud.output("film-03-5-sqs-queue", "AlarmTopicArn");
    let mailbox = mailbox(cloud, &topic);

    let exported = |template: &str| names(template, "Export: {Name: !Sub '${EnvironmentName}-");
    let imported = |template: &str| names(template, "'Fn::ImportValue': !Sub '${EnvironmentName}-");
    let there = &exported(&queues) | &exported(&workers);
    let wanted = &imported(&workers) | &imported(&observability);
    create(cloud, "film-others", &exports(&wanted - &there), &[]);
    create(cloud, "film-06-workers-autoscaling", &workers, &RELEASE);
    // The one alarm over several metrics, which no other emulator makes. It does not ring here.
    create(cloud, "film-07-observability", &observability, &[]);
    let made =
        cloud.aws(&["cloudwatch", "describe-alarms", "--alarm-names", "film-workers-at-max"]);
    assert_eq!(made["MetricAlarms"][0]["Metrics"].as_array().map(Vec::len), Some(4), "{made}");
    mailbox
}

fn template(stack: &str) -> String {
    let text = fs::read_to_string(deployment().join(format!("{stack}.yaml"))).unwrap();
    assert!(text.contains(PERIOD), "{stack} has no period that could be made shorter");
    text.replace(PERIOD, SHORTER)
}

fn create(cloud: &Cloud, name: &str, template: &str, more: &[&str]) {
    let file = cloud.folder().join(name);
    fs::write(&file, template).unwrap();
    let body = format!("file://{}", file.display());
    let create = ["cloudformation", "create-stack", "--stack-name", name, "--template-body", &body];
    let environment = ["--parameters", "ParameterKey=EnvironmentName,ParameterValue=film"];
    let _ = cloud.aws(&[&create[..], &environment, more].concat());
    // The command that waits for it looks every 30 s only.
    wait_for("a stack", PATIENCE, || {
        let answer = cloud.aws(&["cloudformation", "describe-stacks", "--stack-name", name]);
        let status = answer["Stacks"][0]["StackStatus"].as_str().unwrap().to_owned();
        assert!(["CREATE_IN_PROGRESS", "CREATE_COMPLETE"].contains(&&*status), "{answer}");
        (status == "CREATE_COMPLETE").then_some(())
    });
}

/// What stands between `before` and the next quote.
fn names(template: &str, before: &str) -> BTreeSet<String> {
    let after = template.split(before).skip(1);
    after.map(|rest| rest.split('\'').next().unwrap().to_owned()).collect()
}

/// A stack that exports these and is nothing.
fn exports(names: BTreeSet<String>) -> String {
    let output = |name: String| {
        let export = json!({"Name": format!("{ENVIRONMENT}-{name}")});
        (name.clone(), json!({"Value": format!("{name},{name}"), "Export": export}))
    };
    let outputs: serde_json::Map<String, Value> = names.into_iter().map(output).collect();
    let nothing = json!({"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}});
    let environment = json!({"EnvironmentName": {"Type": "String"}});
    json!({"Parameters": environment, "Resources": nothing, "Outputs": outputs}).to_string()
}

/// A queue that the topic writes to, as it writes to people.
fn mailbox(cloud: &Cloud, topic: &str) -> String {
    // Whatever was read once does not come again here.
    let attributes = ["--attributes", "VisibilityTimeout=3600"];
    let create = ["sqs", "create-queue", "--queue-name", "film-mail"];
    let made = cloud.aws(&[&create[..], &attributes].concat());
    let queue = "arn:aws:sqs:us-east-1:000000000000:film-mail";
    let subscribe = ["sns", "subscribe", "--topic-arn", topic, "--protocol", "sqs"];
    let _ = cloud.aws(&[&subscribe[..], &["--notification-endpoint", queue]].concat());
    made["QueueUrl"].as_str().unwrap().to_owned()
}
