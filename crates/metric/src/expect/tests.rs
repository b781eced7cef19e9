use reelfleet_db::{DoneJob, RunningJob, Work};

use super::*;

const NOW: i64 = 1_000_000;

/// A megabyte takes 10 s here.
const MEGABYTE_S: f64 = 10.0;

fn at(s: i64) -> Timestamp {
    Timestamp::from_millis(NOW + s * 1000)
}

fn work(slots: u32) -> Work {
    let done = |megabytes: u64| DoneJob {
        profile: "web".to_owned(),
        bytes: megabytes * 1_000_000,
        duration: None,
        took: Duration::from_secs(megabytes * 10),
    };
    Work {
        at: at(0),
        scheduled: 0,
        waiting: Vec::new(),
        running: Vec::new(),
        dead: 0,
        failing: 0,
        active: slots,
        draining: 0,
        slots,
        done: (1..=20).map(done).collect(),
    }
}

fn group(priority: Priority, jobs: u64, first: i64, last: i64) -> WaitingJobs {
    WaitingJobs {
        priority,
        profile: "web".to_owned(),
        jobs,
        bytes: jobs * 1_000_000,
        duration: None,
        first: at(first),
        last: at(last),
    }
}

fn half_done(took: u64) -> RunningJob {
    RunningJob {
        profile: "web".to_owned(),
        bytes: 1_000_000,
        duration: None,
        progress: 0.5,
        took: Duration::from_secs(took),
    }
}

fn web(bytes: u64) -> Task<'static> {
    Task { profile: "web", bytes, duration: None }
}

fn mine(priority: Priority) -> Waits<'static> {
    Waits { priority, task: web(1_000_000), due: at(-5) }
}

/// Seconds until the job begins.
fn starts(work: Work, job: &Waits<'_>) -> f64 {
    let expected = Observed::of(work).expected(job).unwrap();
    assert_eq!(expected.ends, expected.starts.plus(Duration::from_secs_f64(MEGABYTE_S)));
    expected.starts.since(at(0)).as_secs_f64()
}

#[test]
fn a_job_starts_when_what_is_before_it_is_done() {
    use Priority::{High, Low, Normal};
    let close = |seconds: f64, expected: f64| {
        assert!((seconds - expected).abs() < 0.1, "{seconds} is not {expected}");
    };
    // Nothing before it, and a free slot.
    close(starts(work(2), &mine(Normal)), 0.0);
    close(starts(Work { running: vec![half_done(60)], ..work(2) }, &mine(Normal)), 0.0);
    // The slot that is free first.
    let running = vec![half_done(60), half_done(20)];
    close(starts(Work { running, ..work(2) }, &mine(Normal)), 20.0);
    // Four of 10 s each on two slots, of which one is free after 20 s.
    let busy = || Work { running: vec![half_done(20)], ..work(2) };
    let waiting = vec![group(Normal, 4, -60, -10)];
    close(starts(Work { waiting, ..busy() }, &mine(Normal)), 30.0);
    // Itself, and what came later.
    let waiting = vec![group(Normal, 1, -5, -5), group(Normal, 9, -4, -1)];
    close(starts(Work { waiting, ..work(1) }, &mine(Normal)), 0.0);
    // Urgent work goes first: while it gets 3 turns of ten, the others get 7.
    let waiting = vec![group(High, 100, -3, -1), group(Low, 100, -3, -1)];
    close(starts(Work { waiting, ..work(1) }, &mine(Normal)), 20.0 + 10.0 / 3.0);
    let waiting = vec![group(High, 1, -3, -1)];
    close(starts(Work { waiting, ..work(1) }, &mine(Normal)), 10.0);
}

#[test]
fn a_job_in_the_middle_of_a_group_waits_for_a_part_of_it() {
    let waiting = vec![group(Priority::Normal, 101, -10, 0)];
    let seconds = starts(Work { waiting, ..work(1) }, &mine(Priority::Normal));
    assert!((seconds - 500.0).abs() < 1.0, "{seconds}");
}

#[test]
fn a_job_that_is_not_due_yet_does_not_start_before() {
    let job = Waits { due: at(100), ..mine(Priority::Normal) };
    assert_eq!(Observed::of(work(1)).expected(&job).unwrap().starts, at(100));
}

#[test]
fn of_files_of_one_size_the_longer_one_takes_longer_where_that_is_known() {
    let lasts = |seconds: u64| Some(Duration::from_secs(seconds));
    let done = |nth: u64| DoneJob {
        profile: "web".to_owned(),
        bytes: 1_000_000,
        duration: lasts(nth * 10),
        took: Duration::from_secs(nth * 5),
    };
    let learnt = |waiting| Work { done: (1..=20).map(done).collect(), waiting, ..work(1) };
    let ends = |waiting, duration| {
        let job = Waits { task: Task { duration, ..web(1_000_000) }, ..mine(Priority::Normal) };
        let expected = Observed::of(learnt(waiting)).expected(&job).unwrap();
        (expected.starts.since(at(0)).as_secs_f64(), expected.ends.since(at(0)).as_secs_f64())
    };
    let (short, long) = (ends(Vec::new(), lasts(10)).1, ends(Vec::new(), lasts(200)).1);
    assert!(short * 3.0 < long, "{short} {long}");
    // The same of what stands before it.
    let before = |ms| {
        let group = WaitingJobs { duration: lasts(ms), ..group(Priority::Normal, 4, -20, -10) };
        ends(vec![group], lasts(10)).0
    };
    let (short, long) = (before(40), before(800));
    assert!(short * 3.0 < long, "{short} {long}");
}

#[test]
fn what_nobody_can_know_is_not_told() {
    let job = mine(Priority::Normal);
    assert_eq!(Observed::of(work(0)).expected(&job), None, "no worker");
    let new = || Observed::of(Work { done: Vec::new(), ..work(2) });
    assert_eq!(new().expected(&job), None, "nothing has finished yet");
    assert_eq!(new().expected_end(web(1_000_000), 0.01, at(-10)), None);
    // Its own pace tells, whatever others did.
    assert_eq!(new().expected_end(web(1_000_000), 0.5, at(-10)), Some(at(10)));
    // Before, those that are like it do.
    let known = Observed::of(work(2));
    assert_eq!(known.expected_end(web(2_000_000), 0.0, at(-5)), Some(at(15)));
}

#[test]
fn the_time_to_drain_is_that_of_all_work_by_all_slots() {
    assert_eq!(Observed::of(work(0)).seconds_to_drain(), Some(0.0));
    let busy = |slots| Work {
        waiting: vec![group(Priority::Low, 4, -3, -1)],
        running: vec![half_done(20)],
        ..work(slots)
    };
    assert_eq!(Observed::of(busy(2)).seconds_to_drain(), Some(30.0));
    assert_eq!(Observed::of(busy(0)).seconds_to_drain(), None);
    assert_eq!(Observed::of(Work { done: Vec::new(), ..busy(2) }).seconds_to_drain(), None);
    let values = Observed::of(busy(0)).values;
    assert_eq!((values.backlog_per_worker, values.backlog_seconds_per_worker), (5.0, 60.0));
}
