//! Groups that start instances, and the load balancer that they register with.

use std::collections::BTreeSet;

use reelfleet_e2e::cloud::{Cloud, deployment};
use reelfleet_servers::Moto;
use serde_json::Value;

/// As this emulator keeps exports only of stacks that were made without a change set.
fn create(cloud: &Cloud, stack: &str, parameters: &[&str]) {
    let name = format!("film-{}", stack.replace('.', "-"));
    let template = format!("file://{}/{stack}.yaml", deployment().display());
    let words =
        ["cloudformation", "create-stack", "--stack-name", &name, "--template-body", &template];
    let _ = cloud.aws(
        &[
            &words[..],
            &["--parameters", "ParameterKey=EnvironmentName,ParameterValue=film"],
            parameters,
        ]
        .concat(),
    );
    let answer = cloud.aws(&["cloudformation", "describe-stacks", "--stack-name", &name]);
    assert_eq!(answer["Stacks"][0]["StackStatus"], "CREATE_COMPLETE", "{answer}");
}

fn instances(cloud: &Cloud, group: &str) -> Vec<Value> {
    let words =
        ["autoscaling", "describe-auto-scaling-groups", "--auto-scaling-group-names", group];
    cloud.aws(&words)["AutoScalingGroups"][0]["Instances"].as_array().unwrap().clone()
}

fn ids(instances: &[Value]) -> BTreeSet<String> {
    instances.iter().map(|one| one["InstanceId"].as_str().unwrap().to_owned()).collect()
}

/// Where the group may start instances. This emulator starts all of them in the first of its subnets.
fn zones(cloud: &Cloud, group: &str) -> usize {
    let words =
        ["autoscaling", "describe-auto-scaling-groups", "--auto-scaling-group-names", group];
    let group = &cloud.aws(&words)["AutoScalingGroups"][0];
    let subnets = group["VPCZoneIdentifier"].as_str().unwrap().split(',').count();
    let zones: BTreeSet<_> =
        group["AvailabilityZones"].as_array().unwrap().iter().map(Value::to_string).collect();
    assert_eq!(subnets, zones.len(), "{group}");
    zones.len()
}

fn resize(cloud: &Cloud, group: &str, wanted: &str) {
    let words = ["autoscaling", "update-auto-scaling-group", "--auto-scaling-group-name", group];
    let _ = cloud.aws(&[&words[..], &["--min-size", "1", "--desired-capacity", wanted]].concat());
}

fn targets(cloud: &Cloud) -> BTreeSet<String> {
    let answer = cloud.aws(&["elbv2", "describe-target-groups"]);
    let group = answer["TargetGroups"][0]["TargetGroupArn"].as_str().unwrap().to_owned();
    let answer = cloud.aws(&["elbv2", "describe-target-health", "--target-group-arn", &group]);
    let targets = answer["TargetHealthDescriptions"].as_array().unwrap().iter();
    targets.map(|one| one["Target"]["Id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn groups_of_two_zones_start_one_to_three_instances_and_the_balancer_knows_them() {
    let emulator = Moto::start();
    let cloud = Cloud::at(&emulator.endpoint());
    create(&cloud, "01-vpc-networking", &["ParameterKey=NetworkMode,ParameterValue=nat"]);
    create(&cloud, "01.5-nat-gateway", &["ParameterKey=Gateways,ParameterValue=2"]);
    create(&cloud, "02-s3-iam", &[]);
    create(&cloud, "03.5-sqs-queue", &[]);
    create(&cloud, "04-rds-database", &[]);
    let digest = format!("ParameterKey=AppSha256,ParameterValue={}", "0123456789abcdef".repeat(4));
    let release = ["ParameterKey=AppVersion,ParameterValue=1.0.0", &digest];
    create(&cloud, "05-alb-autoscaling", &release);
    create(&cloud, "06-workers-autoscaling", &release);
    create(&cloud, "07-observability", &["ParameterKey=MathAlarms,ParameterValue=no"]);
    let gateways = cloud.aws(&["ec2", "describe-nat-gateways"]);
    assert_eq!(gateways["NatGateways"].as_array().unwrap().len(), 2);

    for group in ["film-api", "film-workers"] {
        assert_eq!(instances(&cloud, group).len(), 1, "{group}");
        resize(&cloud, group, "3");
        assert_eq!((instances(&cloud, group).len(), zones(&cloud, group)), (3, 2), "{group}");
    }
    // The API's instances are the balancer's targets, the workers are not.
    assert_eq!(targets(&cloud), ids(&instances(&cloud, "film-api")));
    // (It takes none out again, so what scale-in does to targets cannot be seen here.)

    // Scale-in leaves the busy one alone, and takes the others.
    let busy = instances(&cloud, "film-workers")[2]["InstanceId"].as_str().unwrap().to_owned();
    let words =
        ["autoscaling", "set-instance-protection", "--auto-scaling-group-name", "film-workers"];
    let _ =
        cloud.aws(&[&words[..], &["--protected-from-scale-in", "--instance-ids", &busy]].concat());
    resize(&cloud, "film-workers", "1");
    let left = instances(&cloud, "film-workers");
    assert_eq!(ids(&left), BTreeSet::from([busy]));

    // What the script says of them.
    let said = cloud.deploy("status", "film", &[]).fine();
    let line = "group film-workers: 1 in service of 1 wanted (1 to 3), in 1 zone, 1 protected by their work";
    assert!(said.contains(line), "{said}");

    // And how it sends them away: the busy one by name, as scale-in would leave it.
    let said = cloud.deploy("park", "film", &["--timeout", "1"]).fine();
    assert!(said.contains("film-workers: 1 instances, 1 busy"), "{said}");
    assert!(instances(&cloud, "film-workers").is_empty());
    assert!(instances(&cloud, "film-api").is_empty());
}
