//! A model of target tracking as an EC2 Auto Scaling group does it: a pure step function.
//!
//! It follows what AWS says, and was not compared with a real group:
//! - It grows when the metric was above the target for 3 periods on end. It shrinks when the
//!   metric was below the target by "usually more than 10%" ([overview], of Application Auto
//!   Scaling) for 15. The 3, the 15 and the 90 % are in no guide: the alarms that a policy makes
//!   have them ([for instance]), and some newer groups tune themselves.
//! - An alarm's scaling action is repeated each period that the alarm lasts ([alarm actions]).
//! - Capacity is what is through its [warm-up]: what is needed is reckoned from that, and what is
//!   launched or warming up is not launched again ([example]). Nothing is removed while any warms
//!   up. A warm-up begins in service, after a launch hook.
//! - What is needed is rounded up both ways. A missing value scales nothing; `CloudWatch` may look
//!   at older values instead, the model counts anew.
//!
//! AWS says only that a group shrinks more gradually than it grows. The model takes the whole step
//! at once, which is the harder case for a loop.
//!
//! [overview]: https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
//! [for instance]: https://repost.aws/questions/QUVoLPVCU5QamquwCMrFMOzw
//! [alarm actions]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-actions.html
//! [warm-up]: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-default-instance-warmup.html
//! [example]: https://repost.aws/questions/QUqlW8K90FR82nPrKX7lLDoA
//!
//! ```
//! use std::time::Duration;
//! use reelfleet_scaling::tracking::{Params, Tracking};
//!
//! let mut tracking = Tracking::new(Params::of_template(10.0, 1, 3));
//! let minute = Duration::from_secs(60);
//! assert_eq!(tracking.observe(minute, Some(40.0)), None);
//! assert_eq!(tracking.observe(minute * 2, Some(40.0)), None);
//! assert_eq!(tracking.observe(minute * 3, Some(40.0)), Some(3));
//! ```

use std::time::Duration;

/// A policy with its group's limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// What the metric shall be.
    pub target: f64,
    /// Never fewer instances.
    pub min: u32,
    /// Never more instances.
    pub max: u32,
    /// From one value of the metric to the next.
    pub period: Duration,
    /// So many values above the target on end let the group grow.
    pub out_after: u32,
    /// So many values below `in_below × target` on end let it shrink.
    pub in_after: u32,
    /// Share of the target below which a value counts for shrinking.
    pub in_below: f64,
    /// From the moment an instance is in service until it counts.
    pub warm_up: Duration,
    /// Least time from any change to a change inwards. EC2 groups have none with target tracking;
    /// Application Auto Scaling has.
    pub cooldown: Duration,
}

impl Params {
    /// The numbers of the worker group's template; its warm-up is 120 s.
    #[must_use]
    pub fn of_template(target: f64, min: u32, max: u32) -> Self {
        Self {
            target,
            min,
            max,
            period: Duration::from_secs(60),
            out_after: 3,
            in_after: 15,
            in_below: 0.9,
            warm_up: Duration::from_secs(120),
            cooldown: Duration::ZERO,
        }
    }
}

/// The policy at work. Times are since any one moment, and never go back.
#[derive(Debug, Clone)]
pub struct Tracking {
    params: Params,
    desired: u32,
    /// Launched, and not yet in service.
    pending: u32,
    /// When those in service that do not count yet will.
    warm_at: Vec<Duration>,
    above: u32,
    below: u32,
    changed: Option<Duration>,
    heard: Option<Duration>,
}

impl Tracking {
    /// A group that stands at its minimum, with all instances in service for long.
    #[must_use]
    pub fn new(params: Params) -> Self {
        let desired = params.min.min(params.max);
        let (warm_at, changed, heard) = (Vec::new(), None, None);
        Self { params, desired, pending: 0, warm_at, above: 0, below: 0, changed, heard }
    }

    /// How many instances there shall be.
    #[must_use]
    pub fn desired(&self) -> u32 {
        self.desired
    }

    /// One instance that was launched is in service; its warm-up begins. With a launch hook that
    /// is when the hook is completed.
    pub fn in_service(&mut self, now: Duration) {
        if self.pending > 0 {
            self.pending -= 1;
            self.warm_at.push(now + self.params.warm_up);
        }
    }

    /// Somebody else set how many there shall be, or a launch was given up.
    pub fn set(&mut self, now: Duration, desired: u32) {
        self.change(now, desired.max(self.params.min).min(self.params.max));
    }

    /// Takes the value of the period that ends now, and returns how many instances there shall be
    /// if that changes.
    pub fn observe(&mut self, now: Duration, metric: Option<f64>) -> Option<u32> {
        self.count(now, metric);
        self.warm_at.retain(|at| *at > now);
        let metric = metric.filter(|value| value.is_finite())?;

        let warming = self.pending + u32::try_from(self.warm_at.len()).unwrap_or(u32::MAX);
        // From nothing one instance is reckoned, as the metric's own divisor is 1.
        let warm = self.desired.saturating_sub(warming).max(1);
        let needed = (f64::from(warm) * metric / self.params.target).ceil() as u32;
        let needed = needed.max(self.params.min).min(self.params.max);

        let calm = self.changed.is_none_or(|at| now.saturating_sub(at) >= self.params.cooldown);
        let out = self.above >= self.params.out_after && needed > self.desired;
        let inwards = self.below >= self.params.in_after && needed < self.desired;
        if out || (inwards && warming == 0 && calm) {
            self.change(now, needed);
            return Some(needed);
        }
        None
    }

    /// Counts values on end. One that is missing, late or not a number begins anew.
    fn count(&mut self, now: Duration, metric: Option<f64>) {
        let late = self.heard.is_some_and(|at| now.saturating_sub(at) >= self.params.period * 2);
        self.heard = Some(now);
        if late || metric.is_none_or(|value| !value.is_finite()) {
            (self.above, self.below) = (0, 0);
        }
        let Some(value) = metric.filter(|value| value.is_finite()) else {
            return;
        };
        let is_above = value > self.params.target;
        let is_below = value < self.params.target * self.params.in_below;
        self.above = if is_above { self.above.saturating_add(1) } else { 0 };
        self.below = if is_below { self.below.saturating_add(1) } else { 0 };
    }

    fn change(&mut self, now: Duration, desired: u32) {
        let more = desired.saturating_sub(self.desired);
        let fewer = self.desired.saturating_sub(desired);
        // Those that are not there yet are given up first, as the group cancels launches.
        self.pending = (self.pending + more).saturating_sub(fewer);
        self.desired = desired;
        self.changed = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// What the group wants after each of these values, one a minute; `None` is a missing one.
    fn after(tracking: &mut Tracking, from: u32, values: &[Option<f64>]) -> Vec<u32> {
        let each = (from..).zip(values);
        each.map(|(minute, value)| {
            tracking.observe(MINUTE * minute, *value);
            tracking.desired()
        })
        .collect()
    }

    #[test]
    fn it_grows_after_three_values_above_the_target_and_only_on_end() {
        let table: &[(&[Option<f64>], &[u32])] = &[
            (&[Some(20.0), Some(20.0), Some(20.0)], &[1, 1, 2]),
            (&[Some(10.0); 5], &[1; 5]),
            (&[Some(20.0), Some(20.0), Some(9.0), Some(20.0), Some(20.0)], &[1; 5]),
            (&[Some(20.0), Some(20.0), None, Some(20.0), Some(20.0)], &[1; 5]),
            (&[Some(20.0), Some(20.0), Some(f64::NAN), Some(20.0), Some(20.0)], &[1; 5]),
            (&[Some(f64::INFINITY); 5], &[1; 5]),
            (&[Some(1e12); 3], &[1, 1, 8]),
        ];
        for (values, desired) in table {
            let mut tracking = Tracking::new(Params::of_template(10.0, 1, 8));
            assert_eq!(after(&mut tracking, 1, values), *desired, "{values:?}");
        }
    }

    #[test]
    fn what_was_launched_is_not_launched_again_before_it_is_warm() {
        let mut tracking = Tracking::new(Params::of_template(10.0, 1, 9));
        assert_eq!(after(&mut tracking, 1, &[Some(30.0); 8])[2..], [3; 6]);
        tracking.in_service(MINUTE * 8);
        tracking.in_service(MINUTE * 8);
        // Warm at minute 10: then 3 instances count, and 30 each asks for 9.
        assert_eq!(after(&mut tracking, 9, &[Some(30.0), Some(30.0)]), [3, 9]);
        // More work than before does grow it meanwhile.
        let mut tracking = Tracking::new(Params::of_template(10.0, 1, 9));
        assert_eq!(after(&mut tracking, 1, &[Some(30.0); 3])[2], 3);
        assert_eq!(after(&mut tracking, 4, &[Some(50.0)]), [5]);
    }

    #[test]
    fn it_shrinks_after_fifteen_values_a_tenth_below_and_not_while_one_warms_up() {
        let grown = || {
            let mut tracking = Tracking::new(Params::of_template(10.0, 1, 9));
            after(&mut tracking, 1, &[Some(30.0); 3]);
            tracking
        };
        let warm = || {
            let mut tracking = grown();
            tracking.in_service(MINUTE * 3);
            tracking.in_service(MINUTE * 3);
            tracking
        };
        assert_eq!(after(&mut warm(), 4, &[Some(0.0); 15])[13..], [3, 1]);
        // Rounded up: 3 × 4 ÷ 10 is 1.2 instances.
        assert_eq!(after(&mut warm(), 4, &[Some(4.0); 15])[14], 2);
        assert_eq!(after(&mut warm(), 4, &[Some(9.0); 30])[29], 3);
        assert_eq!(after(&mut warm(), 4, &[None; 30])[29], 3);
        assert_eq!(after(&mut grown(), 4, &[Some(0.0); 30])[29], 3, "two are still booting");

        let mut late = grown();
        late.in_service(MINUTE * 20);
        late.in_service(MINUTE * 20);
        assert_eq!(after(&mut late, 4, &[Some(0.0); 19])[17..], [3, 1], "warm at minute 22");
    }

    #[test]
    fn a_value_less_than_a_tenth_below_the_target_is_left_alone() {
        // Twenty instances, so that a twentieth is one of them.
        for (value, desired) in [(9.4, 20), (9.0, 20), (8.9, 18)] {
            let mut tracking = Tracking::new(Params::of_template(10.0, 1, 20));
            tracking.set(Duration::ZERO, 20);
            (0..19).for_each(|_| tracking.in_service(Duration::ZERO));
            assert_eq!(after(&mut tracking, 3, &[Some(value); 15])[14], desired, "{value}");
        }
    }

    #[test]
    fn a_gap_in_time_is_a_missing_value() {
        let mut tracking = Tracking::new(Params::of_template(10.0, 1, 8));
        for minute in [1, 2, 5, 6] {
            assert_eq!(tracking.observe(MINUTE * minute, Some(20.0)), None);
        }
        assert_eq!(tracking.observe(MINUTE * 7, Some(20.0)), Some(2));
    }

    #[test]
    fn limits_and_a_cooldown_hold() {
        let cooled = Params { cooldown: MINUTE * 30, ..Params::of_template(10.0, 2, 4) };
        let mut tracking = Tracking::new(cooled);
        tracking.set(Duration::ZERO, 99);
        assert_eq!(tracking.desired(), 4);
        tracking.in_service(Duration::ZERO);
        tracking.in_service(Duration::ZERO);
        let desired = after(&mut tracking, 1, &[Some(0.0); 30]);
        assert_eq!(desired[28..], [4, 2]);
        // A minimum above the maximum is a mistake; the maximum protects the account.
        assert_eq!(Tracking::new(Params::of_template(10.0, 5, 3)).desired(), 3);
        let mut none = Tracking::new(Params::of_template(10.0, 0, 3));
        assert_eq!(after(&mut none, 1, &[Some(7.0); 3]), [0; 3]);
        assert_eq!(after(&mut none, 4, &[Some(11.0); 3]), [0, 0, 2]);
    }
}
