use std::time::Duration;

use reelfleet_db::{Db, NewVideo, NewWorker, Pulse, Video, WaitingJobs, WorkerState};
use reelfleet_job::{JobId, Priority, Reason, RetryPolicy, WorkerId};

use super::{LEASE, claim, finished, new_video, noops, submit, user};

pub(crate) async fn the_work_is_told_with_what_waits_runs_and_was_done(db: Db) {
    let work = db.work(LEASE).await.unwrap();
    assert_eq!((work.waiting_jobs(), work.running.len(), work.done.len()), (0, 0, 0));
    assert_eq!((work.oldest_waiting(), work.active, work.slots), (Duration::ZERO, 0, 0));

    let owner = user(&db, "a@example.com").await;
    let web = |bytes| NewVideo { source_bytes: bytes, ..new_video(owner) };
    let hls =
        |bytes| NewVideo { profile: "hls".to_owned(), priority: Priority::High, ..web(bytes) };
    let lasts = |seconds| Some(Duration::from_secs(seconds));
    let done = submit(&db, &NewVideo { source_duration: lasts(9), ..web(7_000) }).await;
    let runs = NewVideo { source_duration: lasts(30), ..hls(9_000_000) };
    let runs = submit(&db, &runs).await;
    let dies = submit(&db, &web(1)).await;
    let known = |seconds| NewVideo { source_duration: lasts(seconds), ..web(15) };
    for new in [hls(5_000_000_000), web(10), web(20), known(70)] {
        submit(&db, &new).await;
    }
    // They call for no worker.
    db.submit_jobs(&noops(owner, 3), false).await.unwrap();

    let (_, claimed) = claim(&db, &done).await;
    assert!(db.close_done(done.job, claimed.epoch, &finished(&done)).await.unwrap());
    let (_, claimed) = claim(&db, &dies).await;
    db.close_dead(dies.job, claimed.epoch, &Reason::new("x", "y")).await.unwrap();
    let (worker, claimed) = claim(&db, &runs).await;
    let pulse = Pulse { job: runs.job, epoch: claimed.epoch, progress: 0.5 };
    db.beat(worker, LEASE, &[pulse]).await.unwrap();

    let work = db.work(LEASE).await.unwrap();
    let mut waiting = work.waiting.clone();
    waiting.sort_by_key(|group| (group.priority, group.bytes));
    let seen: Vec<_> = waiting
        .iter()
        .map(|WaitingJobs { priority, profile, jobs, bytes, duration, .. }| {
            (*priority, &**profile, *jobs, *bytes, *duration)
        })
        .collect();
    let expected = [
        (Priority::High, "hls", 1, 5_000_000_000, None),
        (Priority::Normal, "web", 1, 10, None),
        (Priority::Normal, "web", 1, 15, lasts(70)),
        (Priority::Normal, "web", 1, 20, None),
    ];
    assert_eq!(seen, expected);
    assert!(waiting.iter().all(|group| group.first == group.last && group.first <= work.at));
    assert_eq!(
        work.oldest_waiting(),
        work.at.since(waiting.iter().map(|g| g.first).min().unwrap())
    );
    let [running] = &work.running[..] else { panic!("{:?}", work.running) };
    assert_eq!((&*running.profile, running.bytes, running.progress), ("hls", 9_000_000, 0.5));
    assert_eq!(running.duration, lasts(30));
    let [done] = &work.done[..] else { panic!("{:?}", work.done) };
    assert_eq!((&*done.profile, done.bytes, done.duration), ("web", 7_000, lasts(9)));
    assert_eq!((work.dead, work.scheduled), (1, 0));
}

pub(crate) async fn a_long_queue_is_told_in_a_few_groups_that_miss_nothing(db: Db) {
    let owner = user(&db, "a@example.com").await;
    for nth in 0..100 {
        let mut new = new_video(owner);
        new.source_bytes = 1_000 + nth;
        new.source_duration = (nth % 2 == 0).then_some(Duration::from_secs(10));
        submit(&db, &new).await;
    }
    let mut groups = db.work(LEASE).await.unwrap().waiting;
    // Twice, as some say how long they last.
    assert!(groups.len() <= 2 * 16, "{}", groups.len());
    let told = groups.iter().filter_map(|group| group.duration).sum::<Duration>();
    assert_eq!(told, Duration::from_secs(50 * 10));
    assert_eq!(groups.iter().map(|group| group.jobs).sum::<u64>(), 100);
    assert_eq!(groups.iter().map(|group| group.bytes).sum::<u64>(), 100 * 1_000 + 4_950);
    // In the order in which they are due: each group ends before the next begins.
    for known in [true, false] {
        groups.sort_by_key(|group| (group.duration.is_some() != known, group.first, group.last));
        let of = groups.partition_point(|group| group.duration.is_some() == known);
        assert!(groups[..of].windows(2).all(|two| two[0].last <= two[1].first), "{groups:?}");
    }
}

pub(super) async fn failing(db: &Db) -> u64 {
    db.work(LEASE).await.unwrap().failing
}

/// One try of it, that ends by a fault of ours.
pub(super) async fn fails(db: &Db, job: JobId) {
    let claimed = db.claim(job, WorkerId::generate(), LEASE).await.unwrap().unwrap();
    let why = Reason::new("internal", "Something went wrong.");
    assert!(db.retry(job, claimed.epoch, Duration::ZERO, &why).await.unwrap());
    while !db.take_due(10).await.unwrap().iter().any(|due| due.job == job) {}
}

/// The database's clock goes on after it, so that what comes next is later.
async fn is_done(db: &Db, video: &Video) {
    let (_, claimed) = claim(db, video).await;
    assert!(db.close_done(video.job, claimed.epoch, &finished(video)).await.unwrap());
    let at = db.work(LEASE).await.unwrap().at;
    while db.work(LEASE).await.unwrap().at <= at {}
}

pub(crate) async fn jobs_fail_by_a_fault_of_ours_until_one_is_done(db: Db) {
    let owner = user(&db, "a@example.com").await;
    let mut videos = Vec::new();
    for _ in 0..8 {
        videos.push(submit(&db, &new_video(owner)).await);
    }
    assert_eq!(failing(&db).await, 0);

    // One that ends each worker which takes it is one, however many there were.
    for _ in 0..2 {
        let (worker, _) = claim(&db, &videos[0]).await;
        assert_eq!(db.reap_worker(worker, &RetryPolicy::default()).await.unwrap().freed, 1);
    }
    assert_eq!(failing(&db).await, 1);
    is_done(&db, &videos[1]).await;
    assert_eq!(failing(&db).await, 0, "one was done");

    // A worker that is lost with two counts once, a job that fails twice as well.
    let worker = WorkerId::generate();
    for video in &videos[2..4] {
        db.claim(video.job, worker, LEASE).await.unwrap().unwrap();
    }
    assert_eq!(db.reap_worker(worker, &RetryPolicy::default()).await.unwrap().freed, 2);
    assert_eq!(failing(&db).await, 1);
    fails(&db, videos[4].job).await;
    fails(&db, videos[4].job).await;
    assert_eq!(failing(&db).await, 2);

    // Bad input, what was handed back, and jobs that are no videos, are no such faults.
    let (_, claimed) = claim(&db, &videos[5]).await;
    let bad = Reason::new("not_a_video", "This file is no video.");
    assert!(db.close_dead(videos[5].job, claimed.epoch, &bad).await.unwrap());
    let (_, claimed) = claim(&db, &videos[6]).await;
    assert!(db.hand_back(videos[6].job, claimed.epoch).await.unwrap());
    let noop = noops(owner, 1);
    db.submit_jobs(&noop, false).await.unwrap();
    fails(&db, noop[0].id).await;
    assert_eq!(failing(&db).await, 2);
    fails(&db, videos[7].job).await;
    assert_eq!(failing(&db).await, 3);
    is_done(&db, &videos[6]).await;
    assert_eq!(failing(&db).await, 0);
}

pub(crate) async fn only_workers_that_take_jobs_and_were_heard_of_have_slots(db: Db) {
    let workers: Vec<_> = (0..4).map(|_| WorkerId::generate()).collect();
    for (id, concurrency) in workers.iter().zip([1, 2, 4, 8]) {
        let new = NewWorker { id: *id, host: "here".to_owned(), pid: 7, concurrency };
        db.worker_started(&new).await.unwrap();
    }
    db.worker_seen(workers[2], WorkerState::Draining).await.unwrap();
    db.worker_seen(workers[3], WorkerState::Gone).await.unwrap();
    let work = db.work(LEASE).await.unwrap();
    assert_eq!((work.active, work.draining, work.slots), (2, 1, 3));
    // Heard of in this very millisecond, or before.
    loop {
        let work = db.work(Duration::ZERO).await.unwrap();
        if work.active == 0 {
            assert_eq!((work.draining, work.slots), (0, 0));
            break;
        }
        tokio::task::yield_now().await;
    }
}
