//! How good the expectations are, on a measured mix and on a made one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use reelfleet_scaling::{
    experience::{Done, Experience, Task},
    forecast::{Group, Running, seconds_left},
};

/// What the executable took for each file of the corpus by each profile: `e2e/results/media.md`,
/// with the files' sizes and the durations that their headers claim (one claims 39 hours).
fn corpus() -> Vec<Done> {
    let number = |text: &str| text.parse::<u64>().unwrap();
    let line = |line: &str| {
        let cells: Vec<_> = line.split(',').collect();
        Done {
            profile: cells[0].to_owned(),
            bytes: number(cells[1]),
            duration: Some(Duration::from_millis(number(cells[2]))),
            took: Duration::from_millis(number(cells[3])),
        }
    };
    include_str!("corpus.csv").lines().skip(1).map(line).collect()
}

fn task(done: &Done) -> Task<'_> {
    Task { profile: &done.profile, bytes: done.bytes, duration: done.duration }
}

/// By what factor an expectation is off, either way.
fn off(expected: Duration, took: Duration) -> f64 {
    let ratio = expected.as_secs_f64() / took.as_secs_f64();
    ratio.max(ratio.recip())
}

/// The value that this share of all is not above.
fn share(mut of: Vec<f64>, share: f64) -> f64 {
    of.sort_by(f64::total_cmp);
    of[((of.len() - 1) as f64 * share) as usize]
}

#[test]
fn a_file_of_the_corpus_is_expected_from_the_others_within_a_factor() {
    let all = corpus();
    for known in [true, false] {
        let errors: Vec<_> = (0..all.len())
            .map(|one| {
                let mut others = all.clone();
                let one = others.remove(one);
                let duration = one.duration.filter(|_| known);
                let asked = Task { duration, ..task(&one) };
                off(Experience::of(others).expected(&asked), one.took)
            })
            .collect();
        let (half, most) = (share(errors.clone(), 0.5), share(errors, 0.9));
        println!("duration known: {known}; off by {half:.2} at the median, {most:.2} at the 90th");
        assert!(half < 1.75 && most < 5.0, "{half} {most}");
    }
}

/// Uploads as they come: mostly short, a few very long, at 1 to 20 Mbit/s; three profiles of
/// different cost; a machine that wanders by a third; where jobs are hindered, one in twenty took
/// ten times as long because something else had the machine.
fn made(seed: u64, jobs: usize, hinder: bool) -> Vec<Done> {
    let mut random = StdRng::seed_from_u64(seed);
    let profiles = [("web", 0.7), ("hls", 2.0), ("showcase", 0.1)];
    let one = |_| {
        let (profile, cost) = profiles[random.random_range(0..3)];
        let seconds = 5.0 * (random.random_range(0.0..6.6f64)).exp().min(3600.0);
        let bytes = seconds * random.random_range(1.0..20.0) * 1e6 / 8.0;
        let hindered = if random.random_ratio(1, 20) && hinder { 10.0 } else { 1.0 };
        let took = (0.5 + cost * seconds) * random.random_range(0.75..1.33) * hindered;
        Done {
            profile: profile.to_owned(),
            bytes: bytes as u64,
            duration: Some(Duration::from_secs_f64(seconds)),
            took: Duration::from_secs_f64(took),
        }
    };
    (0..jobs).map(one).collect()
}

#[test]
fn a_skewed_mix_is_expected_within_a_factor_though_some_were_hindered() {
    let experience = Experience::of(made(1, 300, true));
    let asked = made(2, 1000, true);
    for (known, half, most) in [(true, 1.6, 3.5), (false, 2.2, 6.0)] {
        let errors = asked.iter().map(|done| {
            let duration = done.duration.filter(|_| known);
            off(experience.expected(&Task { duration, ..task(done) }), done.took)
        });
        let errors: Vec<_> = errors.collect();
        let (is_half, is_most) = (share(errors.clone(), 0.5), share(errors, 0.85));
        println!("duration known: {known}; off by {is_half:.2}, {is_most:.2} at the 85th");
        assert!(is_half < half && is_most < most, "{is_half} {is_most}");
    }
}

#[test]
fn what_is_left_of_a_skewed_batch_is_told_within_a_fifth() {
    let experience = Experience::of(made(1, 300, true));
    let batch = made(2, 1000, false);
    let truth: f64 = batch.iter().map(|done| done.took.as_secs_f64()).sum();

    // Grouped as the database groups them: by profile and by the power of two of their bytes.
    let mut groups = std::collections::BTreeMap::<(String, u32), Group>::new();
    for done in &batch {
        let key = (done.profile.clone(), done.bytes.max(1).ilog2());
        let group = groups.entry(key).or_insert_with(|| Group {
            profile: done.profile.clone(),
            jobs: 0,
            bytes: 0,
            duration: Some(Duration::ZERO),
        });
        group.jobs += 1;
        group.bytes += done.bytes;
        group.duration = group.duration.zip(done.duration).map(|(sum, one)| sum + one);
    }
    let groups: Vec<_> = groups.into_values().collect();
    // Some run: they are a quarter done, at their own pace.
    let quarter: Vec<_> = batch
        .iter()
        .map(|done| Running { task: task(done), progress: 0.25, took: done.took / 4 })
        .collect();

    let waiting = seconds_left(&experience, &groups, &[]) / truth;
    let running = seconds_left(&experience, &[], &quarter) / (truth * 0.75);
    println!("waiting: {waiting:.2} of the truth, running: {running:.4}");
    assert!((0.8..1.2).contains(&waiting), "{waiting}");
    assert!((0.99..1.01).contains(&running), "{running}");
}

#[test]
fn nothing_known_answers_with_the_measured_constant() {
    let nothing = Experience::default();
    assert!(!nothing.knows_anything());
    // The clips that the constant is from: 1080p, 13 Mbit/s, 30 s, 19.7 to 20.7 s each.
    for duration in [Some(Duration::from_secs(30)), None] {
        let clip = Task { profile: "web", bytes: 48_750_000, duration };
        assert!(off(nothing.expected(&clip), Duration::from_secs(20)) < 1.1, "{clip:?}");
    }
    // On other files it is an order of magnitude, not more.
    let errors =
        corpus().iter().map(|done| off(nothing.expected(&task(done)), done.took)).collect();
    let half = share(errors, 0.5);
    println!("with constants alone off by {half:.2} at the median");
    assert!(half < 10.0, "{half}");
}
