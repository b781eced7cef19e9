//! What the worker does about what the metadata say. Pure.

use std::time::Duration;

use reelfleet_runtime::Timestamp;

/// Everything is handed back so long before Spot takes the instance.
const BEFORE_SPOT: Duration = Duration::from_secs(25);

/// A notice of Spot comes two minutes before at the most. One that promises more time is by
/// another clock.
const SPOT_AT_MOST: Duration = Duration::from_secs(120 - 25);

/// How long a worker that has left because of a recommendation to rebalance, and is there again,
/// waits to be replaced. An instance takes minutes to come up; after so long the group does not
/// mean to.
pub(crate) const REPLACED_WITHIN: Duration = Duration::from_secs(600);

/// Where the group wants the instance to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// To work.
    InService,
    /// To its end.
    Terminated,
    /// Aside: into standby, out of the group, or into a pool of warm ones.
    Elsewhere,
}

impl Target {
    /// Reads the word of the metadata. None: it is none of theirs.
    pub(crate) fn read(word: &str) -> Option<Self> {
        match word.trim() {
            "InService" => Some(Self::InService),
            "Terminated" | "Warmed:Terminated" => Some(Self::Terminated),
            "Standby" | "Detached" | "Warmed:Hibernated" | "Warmed:Running" | "Warmed:Stopped" => {
                Some(Self::Elsewhere)
            }
            _ => None,
        }
    }
}

/// What the metadata say of the instance's future.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// None: nothing is said, or nobody answers.
    pub(crate) target: Option<Target>,
    /// When Spot takes the instance.
    pub(crate) spot: Option<Timestamp>,
    /// When Spot recommended to replace it.
    pub(crate) rebalance: Option<Timestamp>,
}

/// Why a worker must leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// Spot recommended to replace the instance.
    Rebalance,
    /// Spot takes it.
    Spot,
    /// The group ends it.
    Group,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Take jobs.
    Work,
    /// Go on with what is in hand, and take nothing.
    Pause,
    /// Drain, within so long from now.
    Leave(Reason, Duration),
}

/// What a worker that works does. `drain` is how long it may go on with its jobs. A
/// recommendation that it has waited out (`rebalance_is_stale`) is none any more.
pub(crate) fn verdict(
    seen: &Seen,
    now: Timestamp,
    drain: Duration,
    rebalance_is_stale: bool,
) -> Verdict {
    let until_spot = seen.spot.map(|at| at.since(now.plus(BEFORE_SPOT)).min(SPOT_AT_MOST));
    match (seen.target, until_spot) {
        // Whichever ends first: Spot does not wait for the hook.
        (Some(Target::Terminated), Some(left)) => Verdict::Leave(Reason::Group, left.min(drain)),
        (Some(Target::Terminated), None) => Verdict::Leave(Reason::Group, drain),
        (_, Some(left)) => Verdict::Leave(Reason::Spot, left),
        _ if seen.rebalance.is_some() && !rebalance_is_stale => {
            Verdict::Leave(Reason::Rebalance, drain)
        }
        (Some(Target::Elsewhere), None) => Verdict::Pause,
        // An instance of which nothing is said works: metadata that fail must not stop it.
        (Some(Target::InService) | None, None) => Verdict::Work,
    }
}

/// What a worker that has just started does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Work.
    Work,
    /// Take nothing, and look again: the one before left because of a notice, and the end is near.
    Wait(Reason),
    /// Leave without having taken anything.
    Leave,
}

/// What a worker that has just started, and has waited for so long, does.
pub(crate) fn at_start(seen: &Seen, now: Timestamp, waited: Duration) -> Start {
    if seen.target == Some(Target::Terminated) {
        return Start::Leave;
    }
    if seen.spot.is_some() {
        return Start::Wait(Reason::Spot);
    }
    match seen.rebalance {
        // Both, as the two clocks need not agree.
        Some(at) if now.since(at) < REPLACED_WITHIN && waited < REPLACED_WITHIN => {
            Start::Wait(Reason::Rebalance)
        }
        _ => Start::Work,
    }
}

/// How often a wait for a hook that waits for so long is prolonged.
pub(crate) fn heartbeat_every(hook: Option<Duration>) -> Duration {
    const UNKNOWN: Duration = Duration::from_secs(30);
    let third = hook.map_or(UNKNOWN, |hook| hook / 3);
    third.clamp(Duration::from_secs(10), Duration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(60);
    const NOW: i64 = 1_800_000_000_000;

    fn after(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp::from_millis(NOW + seconds * 1000))
    }

    fn seen(target: Option<Target>, spot: Option<i64>, rebalance: Option<i64>) -> Seen {
        Seen { target, spot: spot.and_then(after), rebalance: rebalance.and_then(after) }
    }

    #[test]
    fn what_is_known_decides_whether_to_work_and_how_long_to_drain() {
        use Reason::{Group, Rebalance, Spot};
        use Target::{Elsewhere, InService, Terminated};
        use Verdict::{Leave, Pause, Work};
        let seconds = Duration::from_secs;
        for (target, spot, rebalance, stale, wanted) in [
            (None, None, None, false, Work),
            (Some(InService), None, None, false, Work),
            (Some(Elsewhere), None, None, false, Pause),
            (Some(Terminated), None, None, false, Leave(Group, DRAIN)),
            // By the notice's time minus 25 s, or now.
            (Some(InService), Some(120), None, false, Leave(Spot, seconds(95))),
            (Some(InService), Some(40), None, false, Leave(Spot, seconds(15))),
            (None, Some(20), None, false, Leave(Spot, seconds(0))),
            (None, Some(-5), None, false, Leave(Spot, seconds(0))),
            // A clock that is hours off does not keep jobs for hours.
            (None, Some(7200), None, false, Leave(Spot, seconds(95))),
            (Some(Elsewhere), Some(120), None, false, Leave(Spot, seconds(95))),
            // Both: the shorter.
            (Some(Terminated), Some(120), None, false, Leave(Group, DRAIN)),
            (Some(Terminated), Some(45), None, false, Leave(Group, seconds(20))),
            (Some(InService), None, Some(0), false, Leave(Rebalance, DRAIN)),
            (Some(InService), None, Some(-900), false, Leave(Rebalance, DRAIN)),
            (Some(InService), None, Some(-900), true, Work),
            (Some(Elsewhere), None, Some(-900), true, Pause),
            (Some(Terminated), None, Some(-900), true, Leave(Group, DRAIN)),
            (Some(InService), Some(30), Some(-900), true, Leave(Spot, seconds(5))),
            (Some(Terminated), None, Some(0), false, Leave(Group, DRAIN)),
        ] {
            let seen = seen(target, spot, rebalance);
            let got = verdict(&seen, Timestamp::from_millis(NOW), DRAIN, stale);
            assert_eq!(got, wanted, "{seen:?}, stale: {stale}");
        }
    }

    #[test]
    fn a_worker_that_starts_on_an_instance_that_is_about_to_end_takes_nothing() {
        use Target::{InService, Terminated};
        for (seen, waited_s, wanted) in [
            (seen(None, None, None), 0, Start::Work),
            (seen(Some(InService), None, None), 0, Start::Work),
            (seen(Some(Terminated), None, None), 0, Start::Leave),
            (seen(Some(Terminated), Some(60), Some(0)), 0, Start::Leave),
            (seen(Some(InService), Some(60), None), 0, Start::Wait(Reason::Spot)),
            (seen(Some(InService), None, Some(-60)), 0, Start::Wait(Reason::Rebalance)),
            // The group had its time.
            (seen(Some(InService), None, Some(-601)), 0, Start::Work),
            (seen(Some(InService), None, Some(3600)), 599, Start::Wait(Reason::Rebalance)),
            (seen(Some(InService), None, Some(3600)), 600, Start::Work),
        ] {
            let waited = Duration::from_secs(waited_s);
            let got = at_start(&seen, Timestamp::from_millis(NOW), waited);
            assert_eq!(got, wanted, "{seen:?} after {waited:?}");
        }
    }

    #[test]
    fn every_word_of_the_metadata_is_known_and_no_other() {
        use Target::{Elsewhere, InService, Terminated};
        for (word, wanted) in [
            ("InService", Some(InService)),
            ("InService\n", Some(InService)),
            ("Terminated", Some(Terminated)),
            ("Warmed:Terminated", Some(Terminated)),
            ("Standby", Some(Elsewhere)),
            ("Detached", Some(Elsewhere)),
            ("Warmed:Hibernated", Some(Elsewhere)),
            ("Warmed:Running", Some(Elsewhere)),
            ("Warmed:Stopped", Some(Elsewhere)),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(Target::read(word), wanted, "{word}");
        }
    }

    #[test]
    fn heartbeats_come_three_times_in_a_wait_within_bounds() {
        for (hook, wanted) in
            [(None, 30), (Some(30), 10), (Some(5), 10), (Some(120), 40), (Some(3600), 60)]
        {
            let every = heartbeat_every(hook.map(Duration::from_secs));
            assert_eq!(every, Duration::from_secs(wanted), "{hook:?}");
        }
    }
}
