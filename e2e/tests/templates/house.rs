//! Rules of the house that cfn-guard cannot say, as they compare things with one another.

use serde_json::Value;

use crate::tools::{resources, under};

type Rule = fn(&Value) -> bool;

/// Each rule's name, and whether a template keeps it.
pub(crate) const RULES: [(&str, Rule); 10] = [
    ("the_hook_outlasts_the_drain", the_hook_outlasts_the_drain),
    ("every_bucket_and_queue_has_a_policy", every_bucket_and_queue_has_a_policy),
    ("user_data_holds_no_secret", user_data_holds_no_secret),
    ("user_data_checks_what_it_runs", user_data_checks_what_it_runs),
    ("numbers_are_not_for_every_client", numbers_are_not_for_every_client),
    ("updates_keep_two_in_service", updates_keep_two_in_service),
    ("a_boot_is_given_its_time", a_boot_is_given_its_time),
    ("a_failed_boot_ends_its_instance", a_failed_boot_ends_its_instance),
    (
        "requests_are_counted_once_a_listener_is_there",
        requests_are_counted_once_a_listener_is_there,
    ),
    ("alarms_begin_with_somebody_to_watch", alarms_begin_with_somebody_to_watch),
];

/// Which rules a template breaks.
pub(crate) fn broken(template: &Value) -> Vec<&'static str> {
    RULES.iter().filter(|(_, keeps)| !keeps(template)).map(|(name, _)| *name).collect()
}

/// What a worker needs after its drain: to hand back (8 s), and to complete the hook (30 s).
pub(crate) const AFTER_DRAIN: u64 = 60;

/// What is said there, or the default of the parameter that is named there.
fn number(template: &Value, value: &Value) -> Option<u64> {
    match value["Ref"].as_str() {
        Some(parameter) => template["Parameters"][parameter]["Default"].as_u64(),
        None => value.as_u64(),
    }
}

fn the_hook_outlasts_the_drain(template: &Value) -> bool {
    let drain = template["Parameters"]["DrainSeconds"]["Default"].as_u64().unwrap_or_default();
    let timeouts = under(&template["Resources"], "HeartbeatTimeout");
    timeouts.into_iter().all(|timeout| number(template, timeout) >= Some(drain + AFTER_DRAIN))
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

/// Every listener that hands requests on, whatever its condition, answers these itself.
fn numbers_are_not_for_every_client(template: &Value) -> bool {
    let rules = || resources(template, "AWS::ElasticLoadBalancingV2::ListenerRule");
    let mut listeners = resources(template, "AWS::ElasticLoadBalancingV2::Listener");
    listeners.all(|(name, listener)| {
        let forwards = under(&listener["Properties"]["DefaultActions"], "Type");
        if !forwards.iter().any(|kind| *kind == "forward") {
            return true;
        }
        rules().any(|(_, rule)| {
            let own = &rule["Properties"];
            let paths = under(&own["Conditions"], "Values");
            let paths: Vec<_> = paths.iter().filter_map(|list| list.as_array()).flatten().collect();
            own["ListenerArn"]["Ref"] == name.as_str()
                && (rule["Condition"].is_null() || rule["Condition"] == listener["Condition"])
                && own["Conditions"].as_array().is_some_and(|all| all.len() == 1)
                && ["/metrics", "/metrics/*"]
                    .iter()
                    .all(|path| paths.iter().any(|one| *one == path))
                && own["Actions"].as_array().is_some_and(|all| all.len() == 1)
                && own["Actions"][0]["Type"] == "fixed-response"
                && own["Actions"][0]["FixedResponseConfig"]["StatusCode"] == "404"
        })
    })
}

/// CloudFormation leaves as many in service as there were but a batch, or `MinInstancesInService` if
/// that is more; which must be less than `MaxSize`.
fn updates_keep_two_in_service(template: &Value) -> bool {
    resources(template, "AWS::AutoScaling::AutoScalingGroup").all(|(_, group)| {
        let update = &group["UpdatePolicy"]["AutoScalingRollingUpdate"];
        let (least, most) = (
            number(template, &update["MinInstancesInService"]),
            number(template, &group["Properties"]["MaxSize"]),
        );
        // What can be chosen is one or two, so that `Rules` can say what it must be less than.
        let choice = update["MinInstancesInService"]["Ref"].as_str();
        let narrow = choice.is_none_or(|name| {
            let allowed = &template["Parameters"][name]["AllowedValues"];
            *allowed == serde_json::json!([1, 2])
                && template["Rules"].as_object().is_some_and(|rules| {
                    rules.values().any(|rule| {
                        rule["RuleCondition"]["Fn::Equals"]
                            == serde_json::json!([{"Ref": "MaxSize"}, "2"])
                            && rule["Assertions"][0]["Assert"]["Fn::Equals"]
                                == serde_json::json!([{"Ref": name}, "1"])
                    })
                })
        });
        least >= Some(2) && least < most && narrow
    })
}

/// Seconds from a launch until boot.sh waits, at most: the kernel, cloud-init and the release.
const BEFORE_BOOT: u64 = 90;

/// For boot.sh to tell how it went.
const SIGNAL: u64 = 60;

/// `PT1H2M3S`, in seconds.
pub(crate) fn duration(text: &str) -> Option<u64> {
    let mut seconds = 0;
    let mut digits = String::new();
    for letter in text.strip_prefix("PT")?.chars() {
        let unit = match letter {
            'H' => 3600,
            'M' => 60,
            'S' => 1,
            digit => {
                digits.push(digit);
                continue;
            }
        };
        seconds += unit * std::mem::take(&mut digits).parse::<u64>().ok()?;
    }
    digits.is_empty().then_some(seconds)
}

/// boot.sh waits for its role, the group for boot.sh before it looks at its health, and
/// CloudFormation for all of that.
fn a_boot_is_given_its_time(template: &Value) -> bool {
    let patience = user_data(template).into_iter().find_map(patience);
    resources(template, "AWS::AutoScaling::AutoScalingGroup").all(|(_, group)| {
        let Some(patience) = patience else { return true };
        let own = &group["Properties"];
        let looked_at = own["HealthCheckType"] == "ELB";
        let grace = own["HealthCheckGracePeriod"].as_u64();
        let update = &group["UpdatePolicy"]["AutoScalingRollingUpdate"]["PauseTime"];
        let creation = &group["CreationPolicy"]["ResourceSignal"]["Timeout"];
        let [update, creation] = [update, creation].map(|text| text.as_str().and_then(duration));
        // An hour is the most that CloudFormation takes.
        let fits = |given: u64| given >= patience + BEFORE_BOOT + SIGNAL && given <= 3600;
        // Whether a creation waits at all is judged by others.
        (!looked_at || grace >= Some(patience + BEFORE_BOOT))
            && update.is_some_and(fits)
            && creation.is_none_or(fits)
    })
}

/// What says that it failed to start also shuts down, and that ends the instance.
fn a_failed_boot_ends_its_instance(template: &Value) -> bool {
    resources(template, "AWS::EC2::LaunchTemplate").all(|(_, launch)| {
        let data = &launch["Properties"]["LaunchTemplateData"];
        user_data(data).into_iter().all(|text| {
            let (signal, down) = (text.find("cfn-signal"), text.find("shutdown -h +"));
            signal.is_none() || (signal < down && under(data, BEHAVIOUR) == ["terminate"])
        })
    })
}

const BEHAVIOUR: &str = "InstanceInitiatedShutdownBehavior";

/// What CloudFormation makes before this resource, by what is said of it.
fn waits_for(resource: &Value, other: &str) -> bool {
    let said = &resource["DependsOn"];
    let list = said.as_array().is_some_and(|list| list.iter().any(|one| one == other));
    let reference = |part: &str| under(&resource[part], "Ref").iter().any(|name| *name == other);
    list || said == other || reference("Properties") || reference("Metadata")
}

/// A target group that no listener leads to has no count of requests.
fn requests_are_counted_once_a_listener_is_there(template: &Value) -> bool {
    let mut policies = resources(template, "AWS::AutoScaling::ScalingPolicy");
    policies.all(|(_, policy)| {
        let metrics = under(policy, "PredefinedMetricType");
        let counts = metrics.iter().any(|metric| *metric == "ALBRequestCountPerTarget");
        let mut listeners = resources(template, "AWS::ElasticLoadBalancingV2::Listener");
        !counts || listeners.all(|(name, _)| waits_for(policy, name))
    })
}

/// Else a new environment begins with alarms that mean nothing.
fn alarms_begin_with_somebody_to_watch(template: &Value) -> bool {
    let Some((group, _)) = resources(template, "AWS::AutoScaling::AutoScalingGroup").next() else {
        return true;
    };
    resources(template, "AWS::CloudWatch::Alarm").all(|(_, alarm)| {
        let own = &alarm["Properties"];
        let missed = own["TreatMissingData"] == "breaching";
        let hosts = own["MetricName"].as_str().is_some_and(|name| name.ends_with("HostCount"));
        !(missed || hosts) || waits_for(alarm, group)
    })
}

/// How long an instance's boot.sh waits for its role, seconds.
pub(crate) fn patience(script: &str) -> Option<u64> {
    let line = script.lines().find_map(|line| line.strip_prefix("BOOT_PATIENCE_SECONDS="));
    line.and_then(|number| number.parse().ok())
}
