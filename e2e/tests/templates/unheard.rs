//! The alarm on an instance of which no worker is heard, minute by minute as `CloudWatch` looks at it:
//! no emulator judges an alarm over several metrics.

use serde_json::Value;

use crate::{
    house::duration,
    tools::{resources, templates, under},
};

/// The expression that is counted here.
const EXPRESSION: &str = "instances - FILL(heard, REPEAT)";

/// What the two metrics said in each minute; None: nothing.
type Minutes = Vec<Option<f64>>;

struct Alarm {
    minutes: usize,
    threshold: f64,
}

impl Alarm {
    fn of_the_template() -> Self {
        let template = &templates()["07-observability"];
        let own = &template["Resources"]["InstanceNotHeardAlarm"]["Properties"];
        let metrics = under(&own["Metrics"], "Expression");
        assert_eq!(metrics, [EXPRESSION]);
        let ids: Vec<_> =
            under(&own["Metrics"], "Id").into_iter().filter_map(Value::as_str).collect();
        assert_eq!(ids, ["instances", "heard", "unheard"]);
        let names = under(&own["Metrics"], "MetricName");
        assert_eq!(names, ["GroupInServiceInstances", "WorkersActive"]);
        assert!(under(&own["Metrics"], "Period").into_iter().all(|period| *period == 60));
        assert_eq!(own["ComparisonOperator"], "GreaterThanOrEqualToThreshold");
        assert_eq!(own["TreatMissingData"], "notBreaching");
        // All of the minutes.
        assert!(own["DatapointsToAlarm"].is_null(), "{own}");
        let minutes = own["EvaluationPeriods"]["Ref"].as_str().unwrap();
        let minutes = template["Parameters"][minutes]["Default"].as_u64().unwrap();
        Self {
            minutes: usize::try_from(minutes).unwrap(),
            threshold: own["Threshold"].as_f64().unwrap(),
        }
    }

    /// The first minute in which it rings.
    fn rings(&self, instances: &Minutes, heard: &Minutes) -> Option<usize> {
        assert_eq!(instances.len(), heard.len());
        let mut last = None;
        let mut on_end = 0;
        instances.iter().zip(heard).position(|(instances, heard)| {
            last = heard.or(last);
            let value = instances.zip(last).map(|(instances, heard)| instances - heard);
            on_end = if value >= Some(self.threshold) { on_end + 1 } else { 0 };
            on_end >= self.minutes
        })
    }
}

/// So many for so many minutes, one after the other.
fn minutes(spans: &[(f64, usize)]) -> Minutes {
    spans.iter().flat_map(|(value, count)| vec![Some(*value); *count]).collect()
}

/// The minutes that a boot may take before CloudFormation, and boot.sh before that, gives it up.
fn longest_boot() -> usize {
    let template = &templates()["06-workers-autoscaling"];
    let (_, group) = resources(template, "AWS::AutoScaling::AutoScalingGroup").next().unwrap();
    let times = [
        &group["CreationPolicy"]["ResourceSignal"]["Timeout"],
        &group["UpdatePolicy"]["AutoScalingRollingUpdate"]["PauseTime"],
    ];
    let seconds = times.map(|time| duration(time.as_str().unwrap()).unwrap()).into_iter().max();
    usize::try_from(seconds.unwrap().div_ceil(60)).unwrap()
}

/// What is said of a minute lies so many minutes late, or early.
fn shifted(values: &Minutes, by: isize) -> Minutes {
    let last = values.len() as isize - 1;
    let at = |nth: isize| values[(nth - by).clamp(0, last) as usize];
    (0..=last).map(at).collect()
}

#[test]
fn an_instance_that_boots_for_as_long_as_it_may_does_not_ring() {
    let (alarm, boot) = (Alarm::of_the_template(), longest_boot());
    for clocks in [-1, 0, 1] {
        // It is in service as soon as it runs. The one that was there dies at the end, and counts for
        // a minute still; or the group grows, one after the other.
        let instances = minutes(&[(1.0, 5), (2.0, boot + 30)]);
        let heard = minutes(&[(1.0, 5 + boot), (2.0, 30)]);
        assert_eq!(alarm.rings(&instances, &shifted(&heard, clocks)), None, "{clocks}");
        let instances = minutes(&[(1.0, 5), (2.0, boot + 4), (3.0, boot + 4), (4.0, boot + 4)]);
        let heard = minutes(&[(1.0, 5 + boot), (2.0, 4 + boot), (3.0, 4 + boot), (4.0, 4)]);
        assert_eq!(alarm.rings(&instances, &shifted(&heard, clocks)), None, "{clocks}");
    }
    // Nor one that leaves before its time, as after a notice of Spot.
    let instances = minutes(&[(2.0, 40)]);
    let heard = minutes(&[(2.0, 10), (1.0, 3), (2.0, 27)]);
    assert_eq!(alarm.rings(&instances, &heard), None);
}

#[test]
fn an_instance_that_is_never_heard_of_rings_whatever_is_lost_in_between() {
    let alarm = Alarm::of_the_template();
    let instances = minutes(&[(3.0, 90)]);
    let heard = minutes(&[(3.0, 10), (2.0, 80)]);
    let rings = 10 + alarm.minutes - 1;
    assert_eq!(alarm.rings(&instances, &heard), Some(rings));
    // Its own minute of dying, and clocks.
    assert_eq!(alarm.rings(&instances, &shifted(&heard, 1)), Some(rings + 1));
    // Minutes that nobody published.
    let holes = heard.iter().enumerate().map(|(nth, value)| value.filter(|_| nth % 4 != 3));
    assert_eq!(alarm.rings(&instances, &holes.collect()), Some(rings));
    // A boot that fails again and again: the group puts another in its place, which boots.
    let instances = minutes(&[(2.0, 19), (1.0, 1), (2.0, 40)]);
    let heard = minutes(&[(1.0, 60)]);
    assert_eq!(alarm.rings(&instances, &heard), Some(20 + alarm.minutes - 1));
}

/// That nobody publishes at all is told by others.
#[test]
fn silence_of_all_is_left_to_the_alarm_that_is_about_it() {
    let alarm = Alarm::of_the_template();
    assert_eq!(alarm.rings(&minutes(&[(3.0, 90)]), &vec![None; 90]), None);
    let heard = [minutes(&[(3.0, 10)]), vec![None; 80]].concat();
    assert_eq!(alarm.rings(&minutes(&[(3.0, 90)]), &heard), None);
    assert_eq!(alarm.rings(&vec![None; 90], &minutes(&[(3.0, 90)])), None);
}

/// The bound that the parameter has, by what it is made of.
#[test]
fn nobody_can_choose_fewer_minutes_than_a_boot_may_take() {
    let bounds = &templates()["07-observability"]["Parameters"]["UnheardMinutes"];
    // A lost worker counts for a minute, and clocks may be one apart.
    assert!(bounds["MinValue"].as_u64() >= Some(longest_boot() as u64 + 2), "{bounds}");
    assert!(bounds["Default"].as_u64() > bounds["MinValue"].as_u64());
}
