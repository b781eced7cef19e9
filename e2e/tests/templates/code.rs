//! What templates and code say of the same thing.

use std::collections::{BTreeMap, BTreeSet};

use reelfleet_e2e::{files_below, reelfleet, settings};
use reelfleet_job::{Kind, Lane};
use serde_json::Value;

use crate::{
    house::{patience, user_data},
    tools::{resources, root, templates, text, under},
};

const API: &str = "05-alb-autoscaling";
const WORKERS: &str = "06-workers-autoscaling";

/// The lines of stack.env, with defaults, or samples, filled in.
fn stack_env(template: &Value) -> BTreeMap<String, String> {
    let script = user_data(template)[0];
    let (_, rest) = script.split_once("<<'END'\n").unwrap();
    let (lines, _) = rest.split_once("\nEND\n").unwrap();
    lines
        .lines()
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), filled_in(template, value))
        })
        .collect()
}

fn filled_in(template: &Value, text: &str) -> String {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap();
        whole.push_str(before);
        whole.push_str(&match (name, &template["Parameters"][name]["Default"]) {
            ("AWS::Region", _) => "us-east-1".to_owned(),
            ("QueueBaseUrl", _) => {
                "https://sqs.us-east-1.amazonaws.com/123456789012/sample-jobs".to_owned()
            }
            ("SecureCookies", _) => "true".to_owned(),
            (_, Value::String(default)) => default.clone(),
            (_, Value::Number(default)) => default.to_string(),
            _ => "sample".to_owned(),
        });
        rest = after;
    }
    whole + rest
}

fn of_the_code(env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    env.iter()
        .filter(|(name, _)| !name.starts_with("BOOT_"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[test]
fn instances_are_told_only_what_something_reads() {
    let templates = templates();
    let known = settings::known();
    let scripts: String = files_below(&root().join("aws-deployment/instance"))
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "sh"))
        .map(|path| text(path))
        .collect();
    let mut told = BTreeSet::new();
    for stack in [API, WORKERS] {
        for name in stack_env(&templates[stack]).keys() {
            if name.starts_with("BOOT_") {
                let read = scripts.contains(&format!("setting {name})"));
                assert!(read, "{stack}: no script of the instance reads {name}");
                told.insert(name.clone());
            } else {
                assert!(known.contains(name), "{stack} sets {name}, which nothing reads");
            }
        }
    }
    let read = scripts.split("setting BOOT_").skip(1);
    let read = read.map(|rest| format!("BOOT_{}", rest.split(')').next().unwrap()));
    assert_eq!(read.collect::<BTreeSet<_>>(), told, "the scripts read what no stack sets");
}

/// Exit code 64 is "wrong configuration", and names what is wrong; 69 is "no such database there".
#[test]
fn each_role_is_told_everything_it_needs() {
    let templates = templates();
    for (stack, role) in [(API, "api"), (WORKERS, "worker")] {
        let mut env = of_the_code(&stack_env(&templates[stack]));
        // What boot.sh adds.
        env.insert(
            "DATABASE_URL".to_owned(),
            "postgres://reelfleet:password@127.0.0.1:1/reelfleet".to_owned(),
        );
        if role == "api" {
            env.insert("JWT_SECRET".to_owned(), "Zx8kq2Lw5vRt7yUi9oPa3sDf6gHj1mNb".to_owned());
        }
        let pairs: Vec<_> =
            env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let output = reelfleet(&[role], &pairs);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(69), "{role}: {said}");
    }
}

/// One less, and the role says so: the test above sees what is missing.
#[test]
fn a_role_that_is_told_too_little_says_what_is_missing() {
    let templates = templates();
    let env = of_the_code(&stack_env(&templates[WORKERS]));
    for needed in ["SQS_QUEUE_URL", "S3_BUCKET"] {
        let pairs: Vec<_> = env
            .iter()
            .filter(|(name, _)| *name != needed)
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let output = reelfleet(&["worker"], &pairs);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(64) && said.contains(needed), "{said}");
    }
}

#[test]
fn there_is_a_queue_for_every_lane_and_for_nothing_else() {
    let template = &templates()["03.5-sqs-queue"];
    let queues = resources(template, "AWS::SQS::Queue");
    let names: BTreeSet<_> = queues
        .map(|(_, queue)| queue["Properties"]["QueueName"]["Fn::Sub"].as_str().unwrap().to_owned())
        .collect();
    let lanes = Kind::ALL
        .into_iter()
        .flat_map(Lane::of)
        .map(|lane| lane.to_string())
        .chain(["dead".to_owned()]);
    let wanted: BTreeSet<_> =
        lanes.map(|lane| format!("${{EnvironmentName}}-jobs-{lane}")).collect();
    assert_eq!(names, wanted);
    let base = template["Outputs"]["QueueBaseUrl"]["Value"]["Fn::Sub"].as_str().unwrap();
    assert!(base.ends_with("/${AWS::AccountId}/${EnvironmentName}-jobs"), "{base}");
    // The dead letters' queue takes from each of them.
    let dead =
        &template["Resources"]["DeadQueue"]["Properties"]["RedriveAllowPolicy"]["sourceQueueArns"];
    assert_eq!(dead.as_array().unwrap().len(), wanted.len() - 1);
}

/// Every Rust file of the fleet but its tests, as one text.
fn sources() -> String {
    let folders = ["api", "worker", "cli", "crates"].map(|folder| root().join(folder));
    let files = folders.iter().flat_map(|folder| files_below(folder));
    let ours = files.filter(|path| {
        path.extension().is_some_and(|extension| extension == "rs")
            && !path.iter().any(|part| part == "tests")
    });
    ours.map(|path| text(&path)).collect()
}

#[test]
fn alarms_policy_and_dashboard_use_metrics_that_the_fleet_publishes() {
    let templates = templates();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for template in templates.values() {
        for (_, alarm) in resources(template, "AWS::CloudWatch::Alarm") {
            let alarm = &alarm["Properties"];
            // Those of an alarm over several.
            for metric in under(alarm, "Metric") {
                if metric["Namespace"] == "Reelfleet" && metric["MetricName"].is_string() {
                    names.insert(metric["MetricName"].as_str().unwrap().to_owned());
                }
            }
            if alarm["Namespace"] == "Reelfleet" {
                assert_eq!(alarm["Dimensions"][0]["Name"], "Environment");
                assert_eq!(alarm["Dimensions"][0]["Value"]["Ref"], "EnvironmentName");
                names.insert(alarm["MetricName"].as_str().unwrap().to_owned());
            }
        }
    }
    let choices = &templates[WORKERS]["Parameters"]["ScalingMetric"]["AllowedValues"];
    names.extend(choices.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()));
    let (_, dashboard) =
        resources(&templates["07-observability"], "AWS::CloudWatch::Dashboard").next().unwrap();
    let body = dashboard["Properties"]["DashboardBody"]["Fn::Sub"][0].as_str().unwrap();
    let body: Value = serde_json::from_str(&body.replace("${ScalingTarget}", "10")).unwrap();
    for metric in under(&body, "metrics").into_iter().flat_map(|list| list.as_array().unwrap()) {
        if metric[0] == "Reelfleet" && metric[1] != "${ScalingMetric}" {
            assert_eq!(metric[2], "Environment");
            names.insert(metric[1].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(names.len(), 8, "{names:?}");
    let sources = sources();
    for name in names.iter().map(String::as_str).chain(["Reelfleet", "Environment"]) {
        assert!(sources.contains(&format!("\"{name}\"")), "nothing publishes {name}");
    }
}

fn default_of(name: &str) -> u64 {
    let example = text(&root().join(".env.example"));
    let line = format!("# {name}=");
    example.lines().find_map(|text| text.strip_prefix(&line)).unwrap().parse().unwrap()
}

#[test]
fn the_load_balancer_waits_longer_than_the_api_does() {
    let template = &templates()[API];
    let attribute = |name: &str| -> u64 {
        let all = under(&template["Resources"], "LoadBalancerAttributes");
        let found = all
            .into_iter()
            .flat_map(|list| list.as_array().unwrap())
            .find(|attribute| attribute["Key"] == name);
        found.unwrap()["Value"].as_str().unwrap().parse().unwrap()
    };
    // Else it ends an upload that the API would still wait for.
    assert!(attribute("idle_timeout.timeout_seconds") > default_of("UPLOAD_STALL_SECONDS"));
    // One parameter says how long uploads go on; boot.sh takes a little off for the API itself.
    let attributes = under(&template["Resources"], "TargetGroupAttributes")[0].as_array().unwrap();
    let delay = attributes
        .iter()
        .find(|one| one["Key"] == "deregistration_delay.timeout_seconds")
        .map(|one| &one["Value"]["Ref"]);
    assert_eq!(delay, Some(&"UploadDrainSeconds".into()));
    assert!(user_data(template)[0].contains("\nBOOT_UPLOAD_DRAIN_SECONDS=${UploadDrainSeconds}\n"));
    let bounds = &template["Parameters"]["UploadDrainSeconds"];
    // What the API waits for by itself is the least; an hour is the most that a target group takes.
    assert!(bounds["MinValue"].as_u64() > Some(default_of("DRAIN_UPLOADS_SECONDS")));
    assert_eq!(bounds["MaxValue"], 3600);
    // Else the load balancer may send a request on a connection that is just being closed.
    let kept: u64 = stack_env(template)["HEADER_TIMEOUT_SECONDS"].parse().unwrap();
    assert!(kept > attribute("idle_timeout.timeout_seconds"));
    let target = &template["Resources"]["TargetGroup"]["Properties"];
    let listen = &stack_env(template)["LISTEN_ADDR"];
    assert_eq!(Some(listen.as_str()), Some("0.0.0.0:8080"));
    assert_eq!(target["Port"], 8080);
    let path = target["HealthCheckPath"].as_str().unwrap();
    assert!(sources().contains(&format!("get, path = \"{path}\"")), "the API has no {path}");
}

/// The roles of stack 02 name what later stacks make.
#[test]
fn roles_and_stacks_give_the_same_things_the_same_names() {
    let templates = templates();
    let roles = templates["02-s3-iam"]["Resources"].to_string();
    let env = stack_env(&templates[WORKERS]);
    for (stack, name) in [(API, "api"), (WORKERS, "workers")] {
        let group = &templates[stack]["Resources"]["Group"]["Properties"]["AutoScalingGroupName"]["Fn::Sub"];
        assert_eq!(group, &format!("${{EnvironmentName}}-{name}"));
    }
    assert!(roles.contains("autoScalingGroupName/${EnvironmentName}-workers"));
    assert_eq!(env["AUTO_SCALING_GROUP"], "sample-workers");
    let hook = &templates[WORKERS]["Resources"]["Group"]["Properties"]["LifecycleHookSpecificationList"]
        [0];
    assert_eq!(hook["LifecycleHookName"]["Fn::Sub"], "${EnvironmentName}-drain");
    assert_eq!(env["LIFECYCLE_HOOK"], "sample-drain");
    for (resource, secret) in [("DbSecret", "db"), ("JwtSecret", "jwt")] {
        let name =
            &templates["04-rds-database"]["Resources"][resource]["Properties"]["Name"]["Fn::Sub"];
        assert_eq!(name, &format!("${{EnvironmentName}}/{secret}"));
        assert!(roles.contains(&format!("secret:${{EnvironmentName}}/{secret}-??????")));
    }
    for (stack, log) in [(API, "api"), (WORKERS, "worker")] {
        let name =
            &templates[stack]["Resources"]["LogGroup"]["Properties"]["LogGroupName"]["Fn::Sub"];
        assert_eq!(name, &format!("/reelfleet/${{EnvironmentName}}/{log}"));
        assert!(roles.contains(&format!("log-group:/reelfleet/${{EnvironmentName}}/{log}:*")));
    }
    assert!(roles.contains("{\"cloudwatch:namespace\":\"Reelfleet\"}"));
}

/// The rule of the listeners that the house has (`numbers_are_not_for_every_client`) is about
/// something that there is.
#[test]
fn what_the_load_balancer_keeps_to_itself_is_what_the_api_shows_without_a_session() {
    let template = &templates()[API];
    let rules = resources(template, "AWS::ElasticLoadBalancingV2::ListenerRule");
    for (name, rule) in rules {
        let paths = under(&rule["Properties"]["Conditions"], "Values");
        let paths = paths[0].as_array().unwrap().iter().map(|path| path.as_str().unwrap());
        for path in paths.filter(|path| !path.ends_with("/*")) {
            assert!(sources().contains(&format!("get, path = \"{path}\"")), "{name}: {path}");
        }
        let said = &rule["Properties"]["Actions"][0]["FixedResponseConfig"]["MessageBody"];
        let said: Value = serde_json::from_str(said.as_str().unwrap()).unwrap();
        assert_eq!((&said["status"], &said["code"]), (&404.into(), &"not_found".into()));
    }
}

/// The value of a setting of a unit, seconds.
fn of_unit(role: &str, name: &str) -> u64 {
    let unit = text(&root().join(format!("aws-deployment/instance/reelfleet-{role}.service")));
    let line =
        unit.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).map(str::to_owned);
    line.unwrap().parse().unwrap()
}

/// For the secrets, which are fetched before that: two, a minute each at most.
const SECRETS: u64 = 120;

/// What comes after boot.sh is compared by the house (`a_boot_is_given_its_time`).
#[test]
fn a_boot_waits_for_as_long_as_a_migration_may_take() {
    let templates = templates();
    for (stack, role) in [(API, "api"), (WORKERS, "worker")] {
        let patience = patience(user_data(&templates[stack])[0]).unwrap();
        let start = of_unit(role, "TimeoutStartSec");
        assert!(patience >= start + SECRETS, "{role}: {patience} s for {start} s");
    }
    assert_eq!(of_unit("api", "TimeoutStartSec"), 900, "what the documents say of a migration");
}
