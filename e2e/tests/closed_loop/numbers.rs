//! The numbers by which the group of the template scales, read from the template itself.

use std::{fs, time::Duration};

use reelfleet_e2e::templates::{deployment, templates};
use reelfleet_scaling::tracking::Params;
use serde_json::Value;

const STACK: &str = "06-workers-autoscaling";

/// What is deployed unless somebody gives other parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) metric: String,
    pub(crate) statistic: String,
    pub(crate) target: f64,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) period: Duration,
    pub(crate) warm_up: Duration,
    /// How long a worker may go on with its jobs.
    pub(crate) drain: Duration,
    /// How long the group waits for one that says nothing.
    pub(crate) hook: Duration,
    /// From the launch of an instance until its worker starts.
    pub(crate) boot: Duration,
}

impl Numbers {
    pub(crate) fn read() -> Self {
        let readme = fs::read_to_string(deployment().join("README.md")).unwrap();
        Self::of(&templates()[STACK], &readme)
    }

    fn of(template: &Value, readme: &str) -> Self {
        let of = Template(template);
        let resource = |name: &str| &template["Resources"][name]["Properties"];
        let (group, policy) = (resource("Group"), resource("BacklogPolicy"));
        assert_eq!(policy["PolicyType"], "TargetTrackingScaling");
        let tracking = &policy["TargetTrackingConfiguration"];
        let metric = &tracking["CustomizedMetricSpecification"];
        let hooks = group["LifecycleHookSpecificationList"].as_array().unwrap();
        assert_eq!(hooks.len(), 1, "a launch hook would begin the warm-up later");
        let seconds = |value| Duration::from_secs_f64(of.number(value));
        let size = |name| of.number(&group[name]) as u32;
        Self {
            metric: of.resolved(&metric["MetricName"]).as_str().unwrap().to_owned(),
            statistic: of.resolved(&metric["Statistic"]).as_str().unwrap().to_owned(),
            target: of.number(&tracking["TargetValue"]),
            min: size("MinSize"),
            max: size("MaxSize"),
            period: seconds(&metric["Period"]),
            warm_up: seconds(&group["DefaultInstanceWarmup"]),
            // Goes into the user data as text.
            drain: seconds(&template["Parameters"]["DrainSeconds"]["Default"]),
            hook: seconds(&hooks[0]["HeartbeatTimeout"]),
            boot: Duration::from_secs(slowest_boot(readme)),
        }
    }

    /// The policy. How many values count, and from where on, no template says: the model does.
    pub(crate) fn params(&self) -> Params {
        let (period, warm_up) = (self.period, self.warm_up);
        Params { period, warm_up, ..Params::of_template(self.target, self.min, self.max) }
    }
}

/// The row of the README in which the boot's steps are summed: `25 to 50`.
fn slowest_boot(readme: &str) -> u64 {
    let row = readme.lines().find(|line| line.contains("**useful after**")).unwrap();
    let numbers = row.split(|letter: char| !letter.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).max().unwrap()
}

struct Template<'a>(&'a Value);

impl<'a> Template<'a> {
    /// Follows `Ref` to the default of a parameter, and `Fn::If`.
    fn resolved(&self, value: &'a Value) -> &'a Value {
        if let Some(name) = value["Ref"].as_str() {
            return &self.0["Parameters"][name]["Default"];
        }
        if let Some([condition, yes, no]) = value["Fn::If"].as_array().map(Vec::as_slice) {
            return self.resolved(if self.holds(condition.as_str().unwrap()) { yes } else { no });
        }
        value
    }

    fn holds(&self, condition: &str) -> bool {
        let equals = self.0["Conditions"][condition]["Fn::Equals"].as_array().unwrap();
        self.resolved(&equals[0]) == self.resolved(&equals[1])
    }

    fn number(&self, value: &'a Value) -> f64 {
        let number = self.resolved(value).as_f64();
        number.unwrap_or_else(|| panic!("{value} is no number in the template"))
    }
}

#[test]
fn what_the_template_says_is_what_the_loop_goes_by() {
    let readme = fs::read_to_string(deployment().join("README.md")).unwrap();
    let mut template = templates()[STACK].clone();
    let before = Numbers::of(&template, &readme);
    // The model's own, which its other tests and the documents go by.
    assert_eq!(before.params(), Params::of_template(before.target, before.min, before.max));
    assert!(before.hook > before.drain && before.warm_up > before.boot);
    for (parameter, value) in [
        ("MinSize", 2),
        ("MaxSize", 7),
        ("MetricPeriod", 10),
        ("TargetBacklogPerWorker", 4),
        ("WarmupSeconds", 33),
        ("DrainSeconds", 44),
        ("HookTimeoutSeconds", 55),
    ] {
        template["Parameters"][parameter]["Default"] = value.into();
    }
    let after = Numbers::of(&template, "| **useful after** | **7 to 9** | the sum |");
    assert_eq!(
        (after.min, after.max, after.target, after.period.as_secs(), after.warm_up.as_secs()),
        (2, 7, 4.0, 10, 33)
    );
    assert_eq!((after.drain.as_secs(), after.hook.as_secs(), after.boot.as_secs()), (44, 55, 9));
    template["Parameters"]["ScalingMetric"]["Default"] = "BacklogSecondsPerWorker".into();
    template["Resources"]["Group"]["Properties"]["DefaultInstanceWarmup"] = 66.into();
    let after = Numbers::of(&template, &readme);
    assert_eq!((&*after.metric, after.target), ("BacklogSecondsPerWorker", 300.0));
    assert_eq!(after.warm_up.as_secs(), 66, "not a parameter any more");
}
