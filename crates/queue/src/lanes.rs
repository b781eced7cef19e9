use reelfleet_job::{Kind, Lane, Priority};

/// Which lanes a receive looks at, in order. `turn` counts the receives.
///
/// Of ten receives that find every lane full, six take from high, three from
/// normal, one from low: urgent work goes first, and low always progresses.
/// An empty lane costs nothing: the next one is looked at.
#[must_use]
pub fn lane_order(kind: Kind, turn: u64) -> [Lane; 3] {
    use Priority::{High, Low, Normal};
    let order = match turn % 10 {
        9 => [Low, High, Normal],
        2 | 5 | 8 => [Normal, High, Low],
        _ => [High, Normal, Low],
    };
    order.map(|priority| Lane { kind, priority })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B19: the weights.
    #[test]
    fn every_lane_comes_first_in_some_turn_and_high_in_most() {
        let firsts: Vec<_> =
            (0..10).map(|turn| lane_order(Kind::Transcode, turn)[0].priority).collect();
        let count = |priority| firsts.iter().filter(|first| **first == priority).count();
        assert_eq!(
            [count(Priority::High), count(Priority::Normal), count(Priority::Low)],
            [6, 3, 1]
        );
    }

    #[test]
    fn every_turn_looks_at_every_lane() {
        for turn in 0..10 {
            let mut order = lane_order(Kind::Transcode, turn).map(|lane| lane.priority);
            order.sort();
            assert_eq!(order, Priority::ALL);
        }
    }
}
