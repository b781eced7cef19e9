//! Rules of the house that cfn-guard cannot say, as they compare things with one another.

use serde_json::Value;

use crate::tools::{resources, under};

type Rule = fn(&Value) -> bool;

/// Each rule's name, and whether a template keeps it.
pub(crate) const RULES: [(&str, Rule); 4] = [
    ("the_hook_outlasts_the_drain", the_hook_outlasts_the_drain),
    ("every_bucket_and_queue_has_a_policy", every_bucket_and_queue_has_a_policy),
    ("user_data_holds_no_secret", user_data_holds_no_secret),
    ("user_data_checks_what_it_runs", user_data_checks_what_it_runs),
];

/// Which rules a template breaks.
pub(crate) fn broken(template: &Value) -> Vec<&'static str> {
    RULES.iter().filter(|(_, keeps)| !keeps(template)).map(|(name, _)| *name).collect()
}

/// What a worker needs after its drain: to hand back (8 s), and to complete the hook (30 s).
pub(crate) const AFTER_DRAIN: u64 = 60;

fn the_hook_outlasts_the_drain(template: &Value) -> bool {
    let number = |value: &Value| match value["Ref"].as_str() {
        Some(parameter) => template["Parameters"][parameter]["Default"].as_u64(),
        None => value.as_u64(),
    };
    let drain = template["Parameters"]["DrainSeconds"]["Default"].as_u64().unwrap_or_default();
    let timeouts = under(&template["Resources"], "HeartbeatTimeout");
    timeouts.into_iter().all(|timeout| number(timeout) >= Some(drain + AFTER_DRAIN))
}

fn every_bucket_and_queue_has_a_policy(template: &Value) -> bool {
    let named = |kind, property: &str| -> Vec<Value> {
        let of = |(_, policy): (_, &Value)| {
            under(&policy["Properties"], property).into_iter().cloned().collect::<Vec<_>>()
        };
        resources(template, kind)
            .flat_map(of)
            .flat_map(|value| match value {
                Value::Array(values) => values,
                one => vec![one],
            })
            .collect()
    };
    let (of_buckets, of_queues) =
        (named("AWS::S3::BucketPolicy", "Bucket"), named("AWS::SQS::QueuePolicy", "Queues"));
    let has = |policies: &[Value], name: &str| policies.iter().any(|policy| policy["Ref"] == name);
    resources(template, "AWS::S3::Bucket").all(|(name, _)| has(&of_buckets, name))
        && resources(template, "AWS::SQS::Queue").all(|(name, _)| has(&of_queues, name))
}

/// The text of each user data, before anything is filled in.
pub(crate) fn user_data(template: &Value) -> Vec<&str> {
    let data = under(template, "UserData").into_iter();
    data.filter_map(|data| {
        let text = &data["Fn::Base64"];
        text.as_str().or_else(|| text["Fn::Sub"].as_str()).or_else(|| text["Fn::Sub"][0].as_str())
    })
    .collect()
}

/// Whoever reaches the metadata of an instance reads it.
fn user_data_holds_no_secret(template: &Value) -> bool {
    let secrets = [
        "resolve:secretsmanager",
        "resolve:ssm-secure",
        "DATABASE_URL=",
        "PASSWORD=",
        "_SECRET_ACCESS_KEY",
    ];
    user_data(template).into_iter().all(|text| {
        let jwt = text.lines().any(|line| line.trim().starts_with("JWT_SECRET="));
        !jwt && secrets.iter().all(|secret| !text.contains(secret))
    })
}

fn user_data_checks_what_it_runs(template: &Value) -> bool {
    user_data(template).into_iter().all(|text| {
        let at = |what: &str| text.find(what);
        match (at("aws s3 cp"), at("sha256sum --check"), at("tar -x")) {
            (Some(fetched), Some(checked), Some(unpacked)) => {
                fetched < checked && checked < unpacked
            }
            (fetched, _, _) => fetched.is_none() && !text.contains("curl"),
        }
    })
}
