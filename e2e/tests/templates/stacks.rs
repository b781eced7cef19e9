//! How the templates fit together.

use std::{collections::BTreeSet, io::Write as _, process::Stdio};

use serde_json::Value;

use crate::{
    house::user_data,
    tools::{STACKS, path_of, resources, said, templates, text, under},
};

fn filled_in(value: &Value) -> &str {
    value["Fn::Sub"].as_str().or_else(|| value.as_str()).unwrap()
}

#[test]
fn a_stack_imports_only_what_an_earlier_one_exports() {
    let templates = templates();
    let mut exported = BTreeSet::new();
    let mut imports = 0;
    for stack in STACKS {
        let template = &templates[stack];
        for import in under(template, "Fn::ImportValue") {
            imports += 1;
            assert!(exported.contains(filled_in(import)), "{stack}: {import}");
        }
        for export in under(&template["Outputs"], "Export") {
            assert!(exported.insert(filled_in(&export["Name"])), "{stack}: {export} a second time");
        }
    }
    assert!(imports > 20);
}

/// CloudFormation takes a template of this size without a bucket, and knows neither anchors nor merges.
#[test]
fn every_template_can_be_handed_to_cloudformation_as_it_is() {
    for stack in STACKS {
        let text = text(&path_of(stack));
        assert!(text.len() < 51_200, "{stack} has {} bytes", text.len());
        let written = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        for line in written {
            let alias = [": &", ": *", "- &", "- *", "<<:"].iter().any(|mark| line.contains(mark));
            assert!(!alias, "{stack}: {line}");
        }
    }
}

/// A group follows its name, and a role of stack 02 names it.
#[test]
fn every_stack_is_of_an_environment() {
    for (stack, template) in templates() {
        let name = &template["Parameters"]["EnvironmentName"];
        assert_eq!(name["AllowedPattern"], "^[a-z][a-z0-9-]{1,20}$", "{stack}");
        let shown = under(&template["Metadata"], "Parameters");
        let shown: BTreeSet<_> = shown
            .iter()
            .flat_map(|list| list.as_array().unwrap())
            .map(|name| name.as_str().unwrap())
            .collect();
        let all: BTreeSet<_> =
            template["Parameters"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(shown, all, "{stack}: parameters in the form of the console");
    }
}

#[test]
fn both_roles_boot_from_the_same_bundle_by_scripts_that_can_be_read() {
    let templates = templates();
    let scripts = ["05-alb-autoscaling", "06-workers-autoscaling"]
        .map(|stack| user_data(&templates[stack])[0].to_owned());
    let [api, worker] = scripts.each_ref().map(|script| {
        let (_, after) = script.split_once("\nEND\n").unwrap();
        after.to_owned()
    });
    assert_eq!(api.replace("boot.sh api", "boot.sh worker"), worker);
    for script in &scripts {
        #[expect(clippy::disallowed_methods, reason = "a shell is asked about a script")]
        let mut shell = std::process::Command::new("bash");
        let mut shell = shell
            .arg("-n")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = shell.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
}

/// Also where the signal fails, as nobody waits for one outside of a stack operation.
#[test]
fn an_instance_whose_user_data_failed_shuts_itself_down_which_ends_it() {
    for stack in ["05-alb-autoscaling", "06-workers-autoscaling"] {
        let template = &templates()[stack];
        let behaviour = under(template, "InstanceInitiatedShutdownBehavior");
        assert_eq!(behaviour, ["terminate"], "{stack}");
        let script = user_data(template)[0];
        let (head, _) = script.split_once("umask 077\n").unwrap();
        assert!(head.contains("/opt/aws/bin/cfn-signal"), "{stack}");
        for (signal, works) in [("echo signalled", true), ("false", false)] {
            let head = head.replace("/opt/aws/bin/cfn-signal", signal);
            let text = format!("shutdown() {{ echo \"shutdown $*\"; }}\n{head}false\necho on\n");
            #[expect(clippy::disallowed_methods, reason = "a shell is asked about a script")]
            let output = std::process::Command::new("bash").args(["-c", &text]).output().unwrap();
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(told.contains("signalled --exit-code 1"), works, "{stack}: {told}");
            assert!(told.ends_with("shutdown -h +10 the user data failed\n"), "{stack}: {told}");
            assert!(!output.status.success());
        }
    }
}

#[test]
fn the_dashboard_shows_every_alarm_and_is_json() {
    let templates = templates();
    let mut alarms = BTreeSet::new();
    for template in templates.values() {
        for (_, alarm) in resources(template, "AWS::CloudWatch::Alarm") {
            alarms.insert(filled_in(&alarm["Properties"]["AlarmName"]).to_owned());
        }
    }
    let (_, dashboard) =
        resources(&templates["07-observability"], "AWS::CloudWatch::Dashboard").next().unwrap();
    let body = dashboard["Properties"]["DashboardBody"]["Fn::Sub"][0].as_str().unwrap();
    let body: Value = serde_json::from_str(&body.replace("${ScalingTarget}", "10")).unwrap();
    let widgets = body["widgets"].as_array().unwrap();
    let shown: BTreeSet<_> = under(&widgets[0], "alarms")[0]
        .as_array()
        .unwrap()
        .iter()
        .map(|arn| arn.as_str().unwrap().rsplit(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(shown, alarms);
    // Widgets lie beside one another, on the 24 columns that there are.
    for widget in widgets {
        assert!(
            widget["x"].as_u64().unwrap() + widget["width"].as_u64().unwrap() <= 24,
            "{widget}"
        );
    }
}

#[test]
fn every_alarm_the_fleet_must_have_is_there() {
    let templates = templates();
    let of = |stack: &str| -> Vec<(String, String, f64, String)> {
        resources(&templates[stack], "AWS::CloudWatch::Alarm")
            .map(|(_, alarm)| {
                let alarm = &alarm["Properties"];
                let threshold = match alarm["Threshold"]["Ref"].as_str() {
                    Some(parameter) => {
                        templates[stack]["Parameters"][parameter]["Default"].as_f64().unwrap()
                    }
                    None => alarm["Threshold"].as_f64().unwrap(),
                };
                let metric = alarm["MetricName"].as_str().unwrap_or_default().to_owned();
                (
                    metric,
                    alarm["ComparisonOperator"].as_str().unwrap().to_owned(),
                    threshold,
                    alarm["TreatMissingData"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    };
    let above = "GreaterThanThreshold";
    for (stack, metric, operator, threshold, silence) in [
        ("03.5-sqs-queue", "ApproximateNumberOfMessagesVisible", above, 100.0, "notBreaching"),
        ("03.5-sqs-queue", "ApproximateAgeOfOldestMessage", above, 1800.0, "notBreaching"),
        ("03.5-sqs-queue", "ApproximateNumberOfMessagesVisible", above, 0.0, "notBreaching"),
        ("04-rds-database", "CPUUtilization", above, 80.0, "notBreaching"),
        (
            "04-rds-database",
            "FreeStorageSpace",
            "LessThanThreshold",
            2_147_483_648.0,
            "notBreaching",
        ),
        ("04-rds-database", "FreeableMemory", "LessThanThreshold", 67_108_864.0, "notBreaching"),
        ("04-rds-database", "DatabaseConnections", above, 75.0, "notBreaching"),
        ("05-alb-autoscaling", "HTTPCode_Target_5XX_Count", above, 5.0, "notBreaching"),
        ("05-alb-autoscaling", "HTTPCode_ELB_5XX_Count", above, 5.0, "notBreaching"),
        ("05-alb-autoscaling", "TargetResponseTime", above, 10.0, "notBreaching"),
        ("05-alb-autoscaling", "UnHealthyHostCount", above, 0.0, "notBreaching"),
        ("06-workers-autoscaling", "CPUUtilization", above, 85.0, "notBreaching"),
        (
            "06-workers-autoscaling",
            "GroupInServiceInstances",
            "LessThanThreshold",
            1.0,
            "breaching",
        ),
        ("06-workers-autoscaling", "WorkersActive", "LessThanThreshold", 1.0, "breaching"),
        (
            "06-workers-autoscaling",
            "JobsDead",
            "GreaterThanOrEqualToThreshold",
            1.0,
            "notBreaching",
        ),
        (
            "06-workers-autoscaling",
            "JobsFailing",
            "GreaterThanOrEqualToThreshold",
            3.0,
            "notBreaching",
        ),
    ] {
        let wanted = (metric.to_owned(), operator.to_owned(), threshold, silence.to_owned());
        assert!(of(stack).contains(&wanted), "{stack} lacks {wanted:?}: {:?}", of(stack));
    }
}

/// Their names are written out: an emulator does not know an alarm's address.
#[test]
fn the_alarms_that_take_an_update_back_are_alarms_of_its_stack() {
    for stack in ["05-alb-autoscaling", "06-workers-autoscaling"] {
        let template = &templates()[stack];
        let alarms: BTreeSet<_> = resources(template, "AWS::CloudWatch::Alarm")
            .map(|(_, alarm)| filled_in(&alarm["Properties"]["AlarmName"]).to_owned())
            .collect();
        let named = under(&template["Outputs"]["RollbackAlarmArns"], "Fn::Sub");
        assert!(!named.is_empty());
        for arn in named {
            let name = arn.as_str().unwrap().rsplit(':').next().unwrap();
            assert!(alarms.contains(name), "{stack}: {name}");
        }
    }
}
