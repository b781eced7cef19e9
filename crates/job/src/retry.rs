use std::time::Duration;

/// How often a job is tried and how long it waits in between.
///
/// The wait before try `n + 1` is `first × factor^(n-1)`, at most `longest`,
/// then spread by "equal jitter": half of it is fixed, half is random, so that
/// jobs that failed together do not come back together (AWS Architecture Blog,
/// "Exponential Backoff And Jitter").
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Charged tries before the job is dead.
    pub max_attempts: u32,
    /// The wait after the first failed try.
    pub first: Duration,
    /// What each further wait is multiplied by.
    pub factor: u32,
    /// No wait is longer.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            first: Duration::from_secs(5),
            factor: 4,
            longest: Duration::from_secs(15 * 60),
        }
    }
}

impl RetryPolicy {
    /// The wait after `attempts` charged tries, with `random` in 0..1, or
    /// `None` when no try is left.
    #[must_use]
    pub fn wait(&self, attempts: u32, random: f64) -> Option<Duration> {
        if attempts >= self.max_attempts {
            return None;
        }
        let exponent = attempts.saturating_sub(1);
        let full = self
            .factor
            .checked_pow(exponent)
            .and_then(|factor| self.first.checked_mul(factor))
            .map_or(self.longest, |wait| wait.min(self.longest));
        Some(full.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B22: the ladder.
    #[test]
    fn waits_grow_until_the_longest_and_then_the_job_is_dead() {
        let policy = RetryPolicy { max_attempts: 6, ..RetryPolicy::default() };
        let waits: Vec<_> = (1..=6).map(|n| policy.wait(n, 1.0).map(|w| w.as_secs())).collect();
        assert_eq!(waits, [Some(5), Some(20), Some(80), Some(320), Some(900), None]);
    }

    /// B22: the jitter.
    #[test]
    fn jitter_spreads_over_the_upper_half_of_the_wait() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.wait(2, 0.0), Some(Duration::from_secs(10)));
        assert_eq!(policy.wait(2, 0.5), Some(Duration::from_secs(15)));
    }

    #[test]
    fn a_huge_attempt_count_does_not_overflow() {
        let policy = RetryPolicy { max_attempts: u32::MAX, ..RetryPolicy::default() };
        assert_eq!(policy.wait(u32::MAX - 1, 1.0), Some(policy.longest));
    }
}
