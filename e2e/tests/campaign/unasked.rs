//! Jobs that nobody asked for.

/// A call that was not answered with the jobs' ids: they may be there, all of them or none.
#[derive(Debug, Clone)]
pub(crate) struct Doubt {
    pub(crate) priority: String,
    pub(crate) count: u64,
    /// When the call began and when it was given up, in milliseconds.
    pub(crate) from_ms: i64,
    pub(crate) until_ms: i64,
}

/// How long after a caller gave up its jobs may still be recorded.
const LATE_MS: i64 = 10_000;

/// A job of which no answer told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Untold {
    pub(crate) created_ms: i64,
    pub(crate) priority: String,
}

/// How many jobs no call can have asked for: each is put down to a call of its priority that was
/// open when it was recorded, and to none more than it asked for.
pub(crate) fn unasked(mut jobs: Vec<Untold>, mut doubts: Vec<Doubt>) -> u64 {
    jobs.sort();
    // Who was given up first is used up first, so that none is wasted on a job that another can
    // account for.
    doubts.sort_by_key(|doubt| doubt.until_ms);
    let mut asked_for = |job: &Untold| {
        let open = |doubt: &&mut Doubt| {
            (doubt.from_ms..=doubt.until_ms + LATE_MS).contains(&job.created_ms)
                && doubt.priority == job.priority
                && doubt.count > 0
        };
        doubts.iter_mut().find(open).map(|doubt| doubt.count -= 1).is_some()
    };
    jobs.iter().filter(|job| !asked_for(job)).count() as u64
}

#[test]
fn a_job_without_a_call_is_unasked() {
    let doubt = |priority: &str, count, from_ms| Doubt {
        priority: priority.to_owned(),
        count,
        from_ms,
        until_ms: from_ms + 100,
    };
    let job = |priority: &str, created_ms| Untold { created_ms, priority: priority.to_owned() };
    let doubts = vec![doubt("high", 2, 1_000), doubt("low", 1, 50_000)];
    let of = |jobs: &[Untold]| unasked(jobs.to_vec(), doubts.clone());
    assert_eq!(of(&[job("high", 1_050), job("high", 1_050), job("low", 50_100)]), 0);
    assert_eq!(
        of(&[job("high", 1_050), job("high", 1_050), job("high", 1_050)]),
        1,
        "one too many"
    );
    assert_eq!(of(&[job("high", 999)]), 1, "before the call");
    assert_eq!(of(&[job("high", 11_101)]), 1, "long after it");
    assert_eq!(of(&[job("normal", 1_050)]), 1, "of another priority");
}
