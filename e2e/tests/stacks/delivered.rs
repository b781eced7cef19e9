//! The delivered sets of parameters, each through a life of its own, in one account.
//!
//! What the emulator does not know is left out here and nowhere else: alarms over several metrics
//! (`MathAlarms`), and of the optional stack 01.5 the addresses, the gateways and the record of refused
//! packets. Its routes, its role and its log group are made, and lead to gateways of other names.

use std::{fs, thread};

use reelfleet_e2e::cloud::{Cloud, deployment};
use reelfleet_servers::Ministack;
use serde_json::{Map, Value, json};

use crate::{
    life::upload,
    recorded::{recorded, rollbacks},
};

/// What a life is about.
struct Life {
    cloud: Cloud,
    environment: &'static str,
    set: &'static str,
    templates: String,
}

/// A template without these resources: of the lines from their names to the next one's.
fn without(template: &str, resources: &[&str]) -> String {
    let mut left_out = false;
    let mut kept = String::new();
    for line in template.lines() {
        if line.starts_with("  ") && !line.starts_with("   ") || !line.starts_with(' ') {
            let name = line.trim().trim_end_matches(':');
            left_out = resources.contains(&name) || left_out && line.is_empty();
        }
        if !left_out {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The templates, as far as the emulator knows what is in them.
fn templates(cloud: &Cloud) -> String {
    let folder = cloud.folder().join("templates");
    fs::create_dir_all(&folder).unwrap();
    for file in fs::read_dir(deployment()).unwrap().map(Result::unwrap) {
        if file.path().extension().is_some_and(|end| end == "yaml") {
            fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
    }
    let gateways = folder.join("01.5-nat-gateway.yaml");
    let whole = fs::read_to_string(&gateways).unwrap();
    let unknown = ["AddressA", "AddressB", "GatewayA", "GatewayB", "FlowLog"];
    let mut known = without(&whole, &unknown);
    for (resource, name) in [
        ("!Ref GatewayA", "nat-a"),
        ("!Ref GatewayB", "nat-b"),
        ("!Ref AddressA", "192.0.2.1"),
        ("!Ref AddressB", "192.0.2.2"),
    ] {
        assert!(known.contains(resource), "{resource}");
        known = known.replace(resource, name);
    }
    for kind in ["AWS::EC2::EIP", "AWS::EC2::NatGateway", "AWS::EC2::FlowLog"] {
        assert!(whole.contains(kind) && !known.contains(kind), "{kind}");
    }
    fs::write(gateways, known).unwrap();
    folder.display().to_string()
}

impl Life {
    fn new(endpoint: &str, environment: &'static str, set: &'static str) -> Self {
        let cloud = Cloud::at(endpoint);
        let templates = templates(&cloud);
        Self { cloud, environment, set, templates }
    }

    fn words<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let words = ["--parameters", self.set, "--templates", &self.templates];
        [&words[..], &["--set", "07-observability:MathAlarms=no"], more].concat()
    }

    /// What the set gives, by stack.
    fn given(&self) -> Map<String, Value> {
        let file = deployment().join(format!("parameters/{}.json", self.set));
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    }

    fn name(&self, stack: &str) -> String {
        format!("{}-{}", self.environment, stack.replace('.', "-"))
    }

    /// The stacks of this environment that are there.
    fn stacks(&self) -> Vec<Value> {
        let answer = self.cloud.aws(&["cloudformation", "describe-stacks"]);
        let prefix = format!("{}-", self.environment);
        let mut stacks = answer["Stacks"].as_array().unwrap().clone();
        stacks.retain(|stack| stack["StackName"].as_str().unwrap().starts_with(&prefix));
        stacks
    }

    /// In their order, with what the set gives, and each whole.
    fn is_made(&self) {
        let stacks = self.stacks();
        let given = self.given();
        assert_eq!(stacks.len(), given.len(), "{stacks:?}");
        let mut made = Vec::new();
        for (stack, values) in &given {
            let name = self.name(stack);
            let there = stacks.iter().find(|one| one["StackName"] == name.as_str()).unwrap();
            let status = there["StackStatus"].as_str().unwrap();
            assert!(["CREATE_COMPLETE", "UPDATE_COMPLETE"].contains(&status), "{name}: {status}");
            let has = there["Parameters"].as_array().unwrap();
            for (parameter, value) in values.as_object().unwrap() {
                let found = has.iter().find(|one| one["ParameterKey"] == parameter.as_str());
                assert_eq!(&found.unwrap()["ParameterValue"], value, "{name}: {parameter}");
            }
            made.push((there["CreationTime"].to_string(), stack));
        }
        // The sets name them in order, and so does whoever sorts them.
        assert!(made.windows(2).all(|two| two[0].0 <= two[1].0), "{made:?}");
    }

    fn sizes(&self, group: &str) -> Value {
        let name = format!("{}-{group}", self.environment);
        let words =
            ["autoscaling", "describe-auto-scaling-groups", "--auto-scaling-group-names", &name];
        let group = &self.cloud.aws(&words)["AutoScalingGroups"][0];
        json!([group["MinSize"], group["MaxSize"]])
    }

    /// Made, updated, and deleted again; in between `looks`.
    fn live(&self, looks: impl Fn(&Self)) {
        let first = ["--to", "04-rds-database"];
        let _ = self.cloud.deploy("up", self.environment, &self.words(&first)).fine();
        let bucket = self.cloud.output(&self.name("02-s3-iam"), "ArtifactBucket");
        upload(&self.cloud, &bucket, "1.0.0", "1\n");
        let from = ["--from", "05-alb-autoscaling", "--version", "1.0.0"];
        let _ = self.cloud.deploy("up", self.environment, &self.words(&from)).fine();
        self.is_made();
        looks(self);

        // An update, with the alarms that take it back.
        let drain = "06-workers-autoscaling:DrainSeconds=600";
        let update = ["--only", "06-workers-autoscaling", "--set", drain];
        let (said, calls) =
            recorded(&self.cloud, "up", self.environment, &self.words(&update), None);
        assert!(said.fine().contains("DrainSeconds: 900 → 600"));
        let given = rollbacks(&calls);
        let triggers = given[0]["RollbackTriggers"].as_array().unwrap();
        let mut names: Vec<_> = triggers
            .iter()
            .map(|trigger| trigger["Arn"].as_str().unwrap().rsplit(':').next().unwrap())
            .collect();
        names.sort_unstable();
        let named = ["jobs-failing", "workers-not-heard"];
        assert_eq!(names, named.map(|name| format!("{}-{name}", self.environment)));

        let stateful = ["05-alb-autoscaling", "04-rds-database", "03.5-sqs-queue", "02-s3-iam"];
        let delete: Vec<_> = stateful.into_iter().flat_map(|stack| ["--delete", stack]).collect();
        let said = self.cloud.deploy("down", self.environment, &delete).fine();
        assert!(self.stacks().is_empty(), "{said}");
    }
}

fn production(life: &Life) {
    assert_eq!(life.sizes("workers"), json!([2, 20]));
    assert_eq!(life.sizes("api"), json!([2, 6]));
    let cloud = &life.cloud;
    // Each zone has a way out of its own.
    let tables = cloud.aws(&["ec2", "describe-route-tables"]);
    let routes = tables["RouteTables"].as_array().unwrap().iter();
    let mut ways: Vec<_> = routes
        .flat_map(|table| table["Routes"].as_array().unwrap())
        .filter_map(|route| route["NatGatewayId"].as_str().filter(|id| !id.is_empty()))
        .collect();
    ways.sort_unstable();
    assert_eq!(ways, ["nat-a", "nat-b"]);
    let log = ["logs", "describe-log-groups", "--log-group-name-prefix", "/reelfleet/film/flow"];
    assert_eq!(cloud.aws(&log)["logGroups"][0]["retentionInDays"], 14);
    let databases = cloud.aws(&["rds", "describe-db-instances"]);
    let mut databases = databases["DBInstances"].as_array().unwrap().iter();
    let database = databases.find(|one| one["DBInstanceClass"] == "db.m7g.large").unwrap();
    assert_eq!(
        (&database["MultiAZ"], &database["DeletionProtection"]),
        (&true.into(), &true.into())
    );
}

/// Nobody makes roles there.
fn academy(life: &Life) {
    assert_eq!(life.sizes("workers"), json!([1, 3]));
    assert_eq!(life.sizes("api"), json!([1, 2]));
    let roles = life.cloud.aws(&["iam", "list-roles"])["Roles"].to_string();
    assert!(!roles.contains("lab-02-s3-iam"), "{roles}");
    let profile = life.cloud.output("lab-02-s3-iam", "WorkerProfileArn");
    assert!(profile.ends_with(":instance-profile/LabInstanceProfile"), "{profile}");
}

#[test]
fn the_sets_for_production_and_for_a_lab_are_made_updated_and_taken_down() {
    let emulator = Ministack::start();
    let endpoint = emulator.endpoint();
    // Side by side: most of the time is the starts of the aws command.
    thread::scope(|scope| {
        scope.spawn(|| Life::new(&endpoint, "film", "production").live(production));
        scope.spawn(|| Life::new(&endpoint, "lab", "academy").live(academy));
    });
}
