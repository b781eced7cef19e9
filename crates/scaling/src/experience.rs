//! How long a job takes, learnt from finished ones of like duration, size and profile.

use std::time::Duration;

/// A job that was done. Jobs that failed teach nothing: a refused file ends in a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The recipe it was made by.
    pub profile: String,
    /// Bytes of the source.
    pub bytes: u64,
    /// Duration of the source, where it is known.
    pub duration: Option<Duration>,
    /// From its claim to its end, of the attempt that ended it.
    pub took: Duration,
}

/// A job to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Task<'a> {
    /// The recipe it will be made by.
    pub profile: &'a str,
    /// Bytes of the source; 0 if unknown.
    pub bytes: u64,
    /// Duration of the source. It is often unknown until the source was probed.
    pub duration: Option<Duration>,
}

/// Finished jobs, to compare others with.
///
/// Give it the last few hundred: each question goes through all of them.
#[derive(Debug, Clone, Default)]
pub struct Experience {
    done: Vec<Done>,
}

/// Fewer finished jobs of a profile than this say less than those of all profiles.
const ENOUGH: usize = 3;

/// How many of the most alike finished jobs are asked: their median bears three outliers.
/// Of 5 to 15 none did clearly better on the measured mix (tests/mix.rs).
const ALIKE: usize = 7;

/// Seconds of one slot for a second of video when nothing is known: `web` from 1080p to 720p
/// took 39.4 to 41.3 s for four clips of 30 s on two workers, so 0.66 to 0.69
/// (docs/PERFORMANCE.md).
const SECONDS_PER_SECOND: f64 = 0.7;

/// Seconds of one slot for a megabyte when nothing is known: the same clips, of 13 Mbit/s.
const SECONDS_PER_MEGABYTE: f64 = SECONDS_PER_SECOND * 8.0 / 13.0;

/// No transcode took less on that machine (e2e/results/media.md).
const SHORTEST: f64 = 0.5;

/// No transcode may take longer by default (`wall_max` in crates/media), so none is expected to.
const LONGEST: f64 = 12.0 * 3600.0;

impl Experience {
    /// What these jobs teach.
    pub fn of(done: impl IntoIterator<Item = Done>) -> Self {
        Self { done: done.into_iter().collect() }
    }

    /// Whether there is any; without it, only constants answer.
    #[must_use]
    pub fn knows_anything(&self) -> bool {
        !self.done.is_empty()
    }

    /// How long one slot is expected to need for the whole of a job.
    #[must_use]
    pub fn expected(&self, task: &Task<'_>) -> Duration {
        Duration::from_secs_f64(self.seconds(task).clamp(0.0, LONGEST))
    }

    fn seconds(&self, task: &Task<'_>) -> f64 {
        let own: Vec<_> = self.done.iter().filter(|done| done.profile == task.profile).collect();
        let asked = if own.len() < ENOUGH { self.done.iter().collect() } else { own };
        let mut said: Vec<_> = asked.iter().map(|done| compare(task, done)).collect();
        if said.is_empty() {
            return unlearnt(task);
        }
        // Of a job without any measure none is more alike than another: all are asked.
        let measured = task.bytes > 0 || seconds_of(task.duration).is_some();
        if measured && said.len() > ALIKE {
            said.select_nth_unstable_by(ALIKE, |one, other| one.unlike.total_cmp(&other.unlike));
            said.truncate(ALIKE);
        }
        // What is shorter than any that was seen is not done in proportion: to start costs, too.
        let least = asked.iter().map(|done| done.took.as_secs_f64()).fold(LONGEST, f64::min);
        median(said.into_iter().map(|said| said.seconds).collect()).max(least)
    }
}

/// What one finished job says about another one.
struct Said {
    /// How far they are from each other; 0 is the same size and duration.
    unlike: f64,
    /// What the job takes if its cost is in proportion.
    seconds: f64,
}

/// A difference that no measure can show, set worse than any two sizes are from each other.
const UNKNOWN: f64 = 100.0;

fn compare(task: &Task<'_>, done: &Done) -> Said {
    let durations = seconds_of(task.duration).zip(seconds_of(done.duration));
    let longer = durations.map(|(task, done)| task / done);
    let both_sized = task.bytes > 0 && done.bytes > 0;
    let larger = both_sized.then(|| task.bytes as f64 / done.bytes as f64);
    let distance = |ratio: Option<f64>| ratio.map_or(UNKNOWN, |ratio| ratio.ln().abs());
    // Where both are known both count: a header may lie about the duration by a factor of a
    // thousand, and bytes say little of how much there is to encode.
    let ratio = match (longer, larger) {
        (Some(longer), Some(larger)) => (longer * larger).sqrt(),
        (one, other) => one.or(other).unwrap_or(1.0),
    };
    Said { unlike: distance(longer) + distance(larger), seconds: done.took.as_secs_f64() * ratio }
}

fn seconds_of(duration: Option<Duration>) -> Option<f64> {
    duration.map(|duration| duration.as_secs_f64()).filter(|seconds| *seconds > 0.0)
}

fn unlearnt(task: &Task<'_>) -> f64 {
    let by_size = task.bytes as f64 / 1e6 * SECONDS_PER_MEGABYTE;
    let seconds = seconds_of(task.duration).map_or(by_size, |long| long * SECONDS_PER_SECOND);
    seconds.max(SHORTEST)
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.as_slice() {
        [] => 0.0,
        all if all.len() % 2 == 1 => all[middle],
        all => f64::midpoint(all[middle - 1], all[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(profile: &str, bytes: u64, seconds: u64, took: u64) -> Done {
        let duration = (seconds > 0).then(|| Duration::from_secs(seconds));
        Done { profile: profile.to_owned(), bytes, duration, took: Duration::from_secs(took) }
    }

    fn expected(experience: &Experience, profile: &str, bytes: u64, seconds: u64) -> u64 {
        let duration = (seconds > 0).then(|| Duration::from_secs(seconds));
        experience.expected(&Task { profile, bytes, duration }).as_secs()
    }

    #[test]
    fn a_job_takes_what_its_like_took() {
        let jobs = (1..=20).flat_map(|n| {
            [done("web", n * 1_000_000, n * 10, n * 5), done("hls", n * 1_000_000, n * 10, n * 20)]
        });
        let experience = Experience::of(jobs);
        let table = [
            ("web", 10_000_000, 100, 50),
            ("hls", 10_000_000, 100, 200),
            // Twice as long as any that was seen, and a hundred times.
            ("web", 40_000_000, 400, 200),
            ("web", 2_000_000_000, 20_000, 10_000),
            // Before it was probed: by its bytes.
            ("web", 10_000_000, 0, 50),
            // Nothing known of it: as a usual one.
            ("web", 0, 0, 52),
            // Shorter than any: to start costs, too.
            ("web", 10, 0, 5),
        ];
        for (profile, bytes, seconds, took) in table {
            let expected = expected(&experience, profile, bytes, seconds);
            let near = took * 4 / 5..=took * 6 / 5;
            assert!(near.contains(&expected), "{profile} {bytes} {seconds}: {expected}");
        }
    }

    #[test]
    fn three_outliers_of_seven_change_nothing() {
        let usual = (0..4).map(|_| done("web", 1_000_000, 10, 5));
        let odd = [done("web", 1_000_000, 10, 5000), done("web", 1_000_000, 10, 7000)];
        let experience = Experience::of(usual.chain(odd).chain([done("web", 1_000_000, 10, 9000)]));
        assert_eq!(expected(&experience, "web", 1_000_000, 10), 5);
    }

    #[test]
    fn a_profile_that_is_hardly_known_is_judged_by_all() {
        let web = (0..9).map(|_| done("web", 1_000_000, 10, 5));
        let one = Experience::of(web.clone().chain([done("hls", 1_000_000, 10, 50)]));
        assert_eq!(expected(&one, "hls", 1_000_000, 10), 5);
        assert_eq!(expected(&one, "new", 2_000_000, 20), 10);
        let three = Experience::of(web.chain((0..3).map(|_| done("hls", 1_000_000, 10, 50))));
        assert_eq!(expected(&three, "hls", 1_000_000, 10), 50);
    }

    #[test]
    fn odd_rows_make_no_odd_expectation() {
        let odd = [
            done("web", 0, 0, 0),
            done("web", u64::MAX, 0, u64::MAX),
            Done { took: Duration::MAX, ..done("web", 1, 1, 0) },
            Done { duration: Some(Duration::MAX), ..done("web", 1, 0, 1) },
        ];
        let tasks = [(0, 0), (1, 0), (u64::MAX, u64::MAX), (0, u64::MAX)];
        for some in 0..=odd.len() {
            let experience = Experience::of(odd[..some].iter().cloned());
            assert_eq!(experience.knows_anything(), some > 0);
            for (bytes, seconds) in tasks {
                assert!(expected(&experience, "web", bytes, seconds) <= 12 * 3600);
            }
        }
    }

    #[test]
    fn a_header_that_lies_about_its_duration_is_not_believed_alone() {
        let usual = (1..=20).map(|n| done("web", n * 1_000_000, n * 10, n * 5));
        // 39 hours in a tenth of a megabyte: by its duration it would take 19 hours.
        let expected = expected(&Experience::of(usual), "web", 106_093, 143_165);
        assert!(expected < 600, "{expected}");
    }
}
