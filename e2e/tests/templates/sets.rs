//! The sets of parameters, and what holds of several stacks together.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    house::AFTER_DRAIN,
    tools::{STACKS, deployment, templates, text},
};

const SETS: [&str; 3] = ["academy", "small", "production"];

/// One set, with the defaults of the templates for what it does not name.
struct Set {
    name: &'static str,
    given: Map<String, Value>,
    templates: BTreeMap<&'static str, Value>,
}

impl Set {
    fn all() -> Vec<Self> {
        let read = |name| {
            let given = text(&deployment().join(format!("parameters/{name}.json")));
            Set { name, given: serde_json::from_str(&given).unwrap(), templates: templates() }
        };
        SETS.map(read).into()
    }

    fn text(&self, stack: &str, parameter: &str) -> String {
        let default = &self.templates[stack]["Parameters"][parameter]["Default"];
        match self.given.get(stack).and_then(|given| given.get(parameter)).unwrap_or(default) {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    fn number(&self, stack: &str, parameter: &str) -> u64 {
        let text = self.text(stack, parameter);
        text.parse().unwrap_or_else(|_| panic!("{}: {stack}: {parameter} is {text}", self.name))
    }
}

const API: &str = "05-alb-autoscaling";
const WORKERS: &str = "06-workers-autoscaling";

#[test]
fn every_set_names_parameters_that_there_are_with_values_that_are_allowed() {
    for set in Set::all() {
        for (stack, values) in &set.given {
            let known = &set
                .templates
                .get(stack.as_str())
                .unwrap_or_else(|| panic!("{}: {stack}", set.name))["Parameters"];
            for (name, value) in values.as_object().unwrap() {
                let said = format!("{}: {stack}: {name}={value}", set.name);
                let value = value
                    .as_str()
                    .unwrap_or_else(|| panic!("{said}: the command line takes texts"));
                let rule = &known[name];
                assert!(rule.is_object(), "{said}: no such parameter");
                if let Some(allowed) = rule["AllowedValues"].as_array() {
                    let fits = |allowed: &Value| {
                        allowed.as_str().map_or_else(|| allowed.to_string(), str::to_owned) == value
                    };
                    assert!(allowed.iter().any(fits), "{said}: none of {allowed:?}");
                }
                if rule["Type"] == "Number" {
                    let number: f64 = value.parse().unwrap();
                    assert!(
                        rule["MinValue"].as_f64().is_none_or(|least| number >= least),
                        "{said}"
                    );
                    assert!(rule["MaxValue"].as_f64().is_none_or(|most| number <= most), "{said}");
                }
            }
        }
        // What has no default is what differs from deployment to deployment.
        for stack in STACKS {
            for (name, rule) in set.templates[stack]["Parameters"].as_object().unwrap() {
                let given_by_the_script =
                    ["EnvironmentName", "AppVersion", "AppSha256"].contains(&name.as_str());
                assert_eq!(rule["Default"].is_null(), given_by_the_script, "{stack}: {name}");
            }
        }
    }
}

#[test]
fn what_two_stacks_are_told_is_the_same() {
    for set in Set::all() {
        let name = set.name;
        assert_eq!(set.number(API, "MetricPeriod"), set.number(WORKERS, "MetricPeriod"), "{name}");
        assert_eq!(set.text(API, "DbSslMode"), set.text(WORKERS, "DbSslMode"), "{name}");
        let metric = set.text(WORKERS, "ScalingMetric");
        assert_eq!(metric, set.text("07-observability", "ScalingMetric"), "{name}");
        let target = if metric == "BacklogPerWorker" {
            "TargetBacklogPerWorker"
        } else {
            "TargetBacklogSeconds"
        };
        assert_eq!(
            set.number(WORKERS, target),
            set.number("07-observability", "ScalingTarget"),
            "{name}"
        );
        let nat = set.text("01-vpc-networking", "NetworkMode") == "nat";
        assert_eq!(
            nat,
            set.given.contains_key("01.5-nat-gateway"),
            "{name}: stack 01.5 is for nat"
        );
    }
}

#[test]
fn the_hook_is_longer_than_the_drain_in_every_set() {
    for set in Set::all() {
        let (drain, hook) =
            (set.number(WORKERS, "DrainSeconds"), set.number(WORKERS, "HookTimeoutSeconds"));
        assert!(hook >= drain + AFTER_DRAIN, "{}: {hook} s for {drain} s", set.name);
    }
}

#[test]
fn by_default_both_groups_have_one_to_three_instances() {
    let by_default = Set { name: "none", given: Map::new(), templates: templates() };
    let small = Set::all().remove(1);
    assert_eq!(small.name, "small");
    for set in [by_default, small] {
        for stack in [API, WORKERS] {
            assert_eq!(
                (set.number(stack, "MinSize"), set.number(stack, "MaxSize")),
                (1, 3),
                "{}: {stack}",
                set.name
            );
        }
    }
}

/// A batch is as large as it says only with so much room, and there is always one that works.
#[test]
fn updates_have_room_for_a_batch_in_every_set() {
    for set in Set::all() {
        for stack in [API, WORKERS] {
            let [most, batch, least] = ["MaxSize", "UpdateBatch", "UpdateMinInService"]
                .map(|name| set.number(stack, name));
            assert!(least + batch <= most, "{}: {stack}: {least} + {batch} of {most}", set.name);
            // So an update of the largest group takes at most four batches, or the group is small.
            assert!(most.div_ceil(batch) <= 4, "{}: {stack}: {most} by {batch}", set.name);
        }
    }
}

/// The largest size, and one more: of zones that are balanced again, or of a Spot instance that is
/// replaced, the new one starts first. An update keeps to the largest size, with one that it ended.
fn most_instances(set: &Set) -> [(u64, Vec<String>); 2] {
    let types = |stack, parameter| {
        set.text(stack, parameter).split(',').map(|one| one.trim().to_owned()).collect()
    };
    [
        (set.number(API, "MaxSize") + 1, types(API, "InstanceType")),
        (set.number(WORKERS, "MaxSize") + 1, types(WORKERS, "InstanceTypes")),
    ]
}

/// What target tracking needs to make a group larger again: three values, a minute each.
const GROWS: u64 = 180;

/// Instances that left on scale-in and still finish something, while the group has grown again. EC2
/// counts them; the group's sizes do not.
fn most_that_drain(set: &Set) -> [u64; 2] {
    let room = |stack| set.number(stack, "MaxSize") - set.number(stack, "MinSize");
    let api = if set.number(API, "UploadDrainSeconds") < GROWS { 0 } else { room(API) };
    [api, room(WORKERS)]
}

/// AWS Academy: 9 instances, 32 processors, t2 and t3 up to large.
#[test]
fn a_lab_stays_within_the_limits_of_academy() {
    let set = Set::all().remove(0);
    assert_eq!(set.name, "academy");
    let processors =
        BTreeMap::from([("nano", 2), ("micro", 2), ("small", 2), ("medium", 2), ("large", 2)]);
    let mut groups = most_instances(&set);
    for ((count, _), drain) in groups.iter_mut().zip(most_that_drain(&set)) {
        *count += drain;
    }
    let instances: u64 = groups.iter().map(|(count, _)| count).sum();
    let mut most = 0;
    for (count, types) in &groups {
        let of_one = types.iter().map(|name| {
            let (family, size) = name.split_once('.').unwrap();
            assert!(["t2", "t3"].contains(&family), "{name}");
            processors[size]
        });
        most += count * of_one.max().unwrap();
    }
    assert!(instances <= 9, "{instances} instances");
    assert!(most <= 32, "{most} processors");
    assert!(
        !set.text("02-s3-iam", "ExistingInstanceProfile").is_empty(),
        "nobody makes roles there"
    );
    // It is believed to have no Spot.
    assert_eq!(set.number(WORKERS, "OnDemandPercentage"), 100);
}

/// The API has one more connection, that listens. Those that drain are not counted: they take nothing
/// new, and all that can come of them is an alarm.
#[test]
fn all_processes_together_stay_below_the_databases_connections() {
    for set in Set::all() {
        let [(apis, _), (workers, _)] = most_instances(&set);
        let most = apis * (set.number(API, "DbMaxConnections") + 1)
            + workers * set.number(WORKERS, "DbMaxConnections");
        let alarm = set.number("04-rds-database", "MaxConnections");
        assert!(most <= alarm, "{}: {most} connections, and an alarm at {alarm}", set.name);
    }
}

/// For each video at a time its original, and as much again for what is made of it.
#[test]
fn a_workers_disk_holds_what_it_works_on() {
    let processors = BTreeMap::from([("small", 2), ("medium", 2), ("large", 2), ("xlarge", 4)]);
    for set in Set::all() {
        let types = set.text(WORKERS, "InstanceTypes");
        let at_a_time =
            types.split(',').map(|name| processors[name.split_once('.').unwrap().1]).max().unwrap();
        let needed = 8 + 2 * at_a_time * set.number(API, "MaxUploadBytes").div_ceil(1 << 30);
        assert!(needed <= set.number(WORKERS, "VolumeGib"), "{}: {needed} GiB", set.name);
    }
}

#[test]
fn production_survives_a_zone() {
    let set = Set::all().remove(2);
    assert_eq!(set.text("04-rds-database", "MultiAZ"), "true");
    assert_eq!(set.text("04-rds-database", "DeletionProtection"), "true");
    assert_eq!(set.number("01.5-nat-gateway", "Gateways"), 2);
    assert_eq!(set.text(WORKERS, "Sandbox"), "require", "strangers' videos go through ffmpeg");
    assert!(set.number(API, "MinSize") >= 2 && set.number(WORKERS, "MinSize") >= 2);
}
