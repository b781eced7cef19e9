//! How much processor time a child used, read before it is reaped.

use std::fs;
use std::time::Duration;

use rustix::process::Pid;

/// One tick of `/proc`: the kernel's `USER_HZ` is 100 wherever ffmpeg runs.
const TICK: Duration = Duration::from_millis(10);

/// Where user, system, and the waited-for children's user and system time
/// stand in `/proc/<pid>/stat`, counted after the name.
const FIELDS: std::ops::Range<usize> = 11..15;

/// The time of `pid` and all it waited for; zero where there is no `/proc`.
pub(super) fn used(pid: Pid) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.ok().and_then(|stat| parse(&stat)).unwrap_or_default()
}

fn parse(stat: &str) -> Option<Duration> {
    // The name is in parentheses and may hold any character, these too.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: Vec<&str> = fields.split(' ').skip(FIELDS.start).take(FIELDS.len()).collect();
    let ticks = ticks.iter().try_fold(0_u32, |sum, word| sum.checked_add(word.parse().ok()?))?;
    Some(TICK.saturating_mul(ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_times_are_added_whatever_the_name() {
        let stat = "7 (a) R 1 (b) Z 6 5 4 0 -1 4227340 188 95 0 0 1 2 189 3 20 0 1 0 674610 0";
        assert_eq!(parse(stat), Some(Duration::from_millis(1950)));
        assert_eq!(parse("7 (a) Z 6 5"), Some(Duration::ZERO));
        assert_eq!(parse(""), None);
    }
}
