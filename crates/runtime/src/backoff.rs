use std::time::Duration;

/// Waits between tries of something that the process itself needs (a database
/// that is away): doubling, with jitter, never longer than its limit.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts at `first` and doubles up to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The next wait, at random between half of it and all of it.
    pub fn next_wait(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(self.longest);
        full.mul_f64(0.5 + 0.5 * rand::random::<f64>())
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(300));
        for full in [100, 200, 300, 300] {
            let wait = backoff.next_wait().as_millis();
            assert!((full / 2..=full).contains(&wait), "{wait} of {full}");
        }
        backoff.reset();
        assert!(backoff.next_wait().as_millis() <= 100);
    }
}
