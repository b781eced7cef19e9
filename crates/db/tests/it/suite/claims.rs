use std::time::Duration;

use reelfleet_db::{Beat, Db, Pulse, Reaped};
use reelfleet_job::{JobId, Payload, Reason, RetryPolicy, State, VideoStatus, WorkerId};

use super::{LEASE, claim, finished, new_video, noops, queued, reap_until_something, submit, user};

pub(crate) async fn a_claim_counts_an_attempt_and_raises_the_epoch(db: Db) {
    let video = queued(&db).await;
    let (worker, claimed) = claim(&db, &video).await;
    assert_eq!((claimed.epoch, claimed.attempts), (1, 1));
    assert!(db.claim(video.job, WorkerId::generate(), LEASE).await.unwrap().is_none());
    let job = db.job(video.job).await.unwrap().unwrap();
    assert_eq!((job.state, job.worker), (State::Running, Some(worker)));
    let seen = db.video(video.owner, video.id).await.unwrap().unwrap();
    assert_eq!(seen.status, VideoStatus::Processing);
}

/// B4.
pub(crate) async fn of_many_claims_at_once_one_wins(db: Db) {
    let video = queued(&db).await;
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.claim(video.job, WorkerId::generate(), LEASE).await })
        })
        .collect();
    let mut won = 0;
    for claim in tries {
        won += usize::from(claim.await.unwrap().unwrap().is_some());
    }
    assert_eq!(won, 1);
}

/// B2: a late finish; E3: files are those of one epoch.
pub(crate) async fn only_the_current_epoch_has_effects(db: Db) {
    let video = queued(&db).await;
    let zombie = WorkerId::generate();
    let old = db.claim(video.job, zombie, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(reap_until_something(&db).await.freed, 1);
    let waiting = db.video(video.owner, video.id).await.unwrap().unwrap();
    assert!(waiting.error.unwrap().message.contains("tried again"));
    let (_, new) = claim(&db, &video).await;
    assert_eq!(new.epoch, old.epoch + 1);

    let why = Reason::new("x", "y");
    assert!(!db.close_done(video.job, old.epoch, &finished(&video)).await.unwrap());
    assert!(!db.close_dead(video.job, old.epoch, &why).await.unwrap());
    assert!(!db.close_cancelled(video.job, old.epoch).await.unwrap());
    assert!(!db.retry(video.job, old.epoch, LEASE, &why).await.unwrap());
    assert!(!db.hand_back(video.job, old.epoch).await.unwrap());
    let pulse = Pulse { job: video.job, epoch: old.epoch, progress: 0.5 };
    assert_eq!(db.beat(zombie, LEASE, &[pulse]).await.unwrap(), [Beat::Lost]);
    assert_eq!(db.job(video.job).await.unwrap().unwrap().state, State::Running);

    assert!(db.close_done(video.job, new.epoch, &finished(&video)).await.unwrap());
    assert!(!db.close_done(video.job, new.epoch, &finished(&video)).await.unwrap());
    let seen = db.video(video.owner, video.id).await.unwrap().unwrap();
    assert_eq!(seen.status, VideoStatus::Ready);
    assert_eq!((seen.duration_s, seen.width, seen.height), (Some(1.5), Some(640), Some(360)));
    // An owner opens a playlist, not its parts; yet each part can be fetched.
    assert_eq!(seen.files.len(), 1);
    let part = db.file(video.owner, video.id, "hls/0.m4s").await.unwrap().unwrap();
    assert_eq!((part.job, part.epoch), (video.job, new.epoch));
}

pub(crate) async fn a_job_handed_back_is_not_charged(db: Db) {
    let video = queued(&db).await;
    let (_, claimed) = claim(&db, &video).await;
    assert!(db.hand_back(video.job, claimed.epoch).await.unwrap());
    let job = db.job(video.job).await.unwrap().unwrap();
    assert_eq!((job.state, job.attempts, job.epoch), (State::Queued, 0, 1));
    let (_, again) = claim(&db, &video).await;
    assert_eq!((again.attempts, again.epoch), (1, 2));
}

/// B17: not early.
pub(crate) async fn a_retry_waits_until_it_is_due(db: Db) {
    let video = queued(&db).await;
    let why = Reason::new("internal", "Something went wrong.");
    let (_, claimed) = claim(&db, &video).await;
    assert!(db.retry(video.job, claimed.epoch, LEASE, &why).await.unwrap());
    let job = db.job(video.job).await.unwrap().unwrap();
    assert_eq!((job.state, job.error, job.attempts), (State::Scheduled, Some(why.clone()), 1));
    assert!(db.take_due(10).await.unwrap().is_empty());
    assert!(db.claim(video.job, WorkerId::generate(), LEASE).await.unwrap().is_none());
}

/// B17: a cancel counts until the claim.
pub(crate) async fn a_job_that_waits_for_its_next_try_can_be_cancelled_until_it_is_claimed(db: Db) {
    let why = Reason::new("internal", "Something went wrong.");
    for wait in [LEASE, Duration::ZERO] {
        let video =
            submit(&db, &new_video(user(&db, &format!("{wait:?}@example.com")).await)).await;
        let (_, claimed) = claim(&db, &video).await;
        assert!(db.retry(video.job, claimed.epoch, wait, &why).await.unwrap());
        // Not due yet, or due with its message on the way.
        while db.take_due(10).await.unwrap().is_empty() && wait.is_zero() {}
        db.cancel_video(video.owner, video.id).await.unwrap().unwrap();
        assert!(db.take_due(10).await.unwrap().is_empty());
        assert!(db.claim(video.job, WorkerId::generate(), LEASE).await.unwrap().is_none());
        assert_eq!(db.job(video.job).await.unwrap().unwrap().state, State::Cancelled);
    }
}

/// B5: tries are counted when they begin.
pub(crate) async fn a_lease_that_ran_out_frees_the_job_until_no_attempt_is_left(db: Db) {
    let video = queued(&db).await;
    // Three attempts: due at once after the first loss, after a wait later.
    let soon = RetryPolicy { first: Duration::ZERO, ..RetryPolicy::default() };
    for attempt in 1..=3 {
        let claimed = loop {
            let lease = Duration::ZERO;
            if let Some(claimed) = db.claim(video.job, WorkerId::generate(), lease).await.unwrap() {
                break claimed;
            }
            db.take_due(10).await.unwrap();
        };
        assert_eq!(claimed.attempts, attempt);
        let reaped = loop {
            let reaped = db.reap(&soon).await.unwrap();
            if reaped != Reaped::default() {
                break reaped;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(reaped.dead, u64::from(attempt == 3));
    }
    let seen = db.video(video.owner, video.id).await.unwrap().unwrap();
    assert_eq!(seen.status, VideoStatus::Failed);
    assert_eq!(seen.error.unwrap().code, "worker_lost");
}

pub(crate) async fn a_dead_workers_jobs_are_freed_without_waiting_for_the_lease(db: Db) {
    let video = queued(&db).await;
    let (worker, _) = claim(&db, &video).await;
    let policy = RetryPolicy::default();
    assert_eq!(db.reap_worker(WorkerId::generate(), &policy).await.unwrap(), Reaped::default());
    assert_eq!(db.reap_worker(worker, &policy).await.unwrap().freed, 1);
    assert_eq!(db.job(video.job).await.unwrap().unwrap().state, State::Queued);
}

pub(crate) async fn a_beat_renews_the_lease_and_tells_of_a_cancel(db: Db) {
    let video = queued(&db).await;
    let (worker, claimed) = claim(&db, &video).await;
    let before = db.job(video.job).await.unwrap().unwrap().lease_until;
    let pulse = |progress| [Pulse { job: video.job, epoch: claimed.epoch, progress }];
    let beats = db.beat(worker, LEASE * 2, &pulse(0.5)).await.unwrap();
    assert_eq!(beats, [Beat::Held]);
    let job = db.job(video.job).await.unwrap().unwrap();
    assert!(job.lease_until > before);
    assert!((job.progress - 0.5).abs() < 1e-9);
    db.cancel_video(video.owner, video.id).await.unwrap().unwrap();
    assert_eq!(db.beat(worker, LEASE, &pulse(0.6)).await.unwrap(), [Beat::Cancel]);
}

pub(crate) async fn a_job_that_nobody_cancelled_cannot_be_closed_as_cancelled(db: Db) {
    let video = queued(&db).await;
    let (_, claimed) = claim(&db, &video).await;
    assert!(!db.close_cancelled(video.job, claimed.epoch).await.unwrap());
    assert!(db.close_done(video.job, claimed.epoch, &finished(&video)).await.unwrap());
}

/// B23: while it finishes.
pub(crate) async fn a_cancelled_job_cannot_be_published(db: Db) {
    let video = queued(&db).await;
    let (_, claimed) = claim(&db, &video).await;
    let asked = db.cancel_video(video.owner, video.id).await.unwrap().unwrap();
    assert!(asked.cancelling);
    assert!(!db.close_done(video.job, claimed.epoch, &finished(&video)).await.unwrap());
    assert!(db.close_cancelled(video.job, claimed.epoch).await.unwrap());
    let seen = db.video(video.owner, video.id).await.unwrap().unwrap();
    assert_eq!((seen.status, seen.cancelling), (VideoStatus::Cancelled, false));
    assert!(seen.files.is_empty());
}

pub(crate) async fn many_jobs_are_claimed_and_closed_in_one_go(db: Db) {
    let owner = user(&db, "owner@example.com").await;
    let new = noops(owner, 20);
    db.submit_jobs(&new, true).await.unwrap();
    let mut ids: Vec<_> = new.iter().map(|job| job.id).collect();
    let worker = WorkerId::generate();
    // A job that nobody knows, and one that is named twice, spoil nothing.
    let asked: Vec<_> = [&ids[..], &[JobId::generate(), ids[3]]].concat();
    let claimed = db.claim_some(&asked, worker, LEASE).await.unwrap();
    let mut got: Vec<_> = claimed.iter().map(|claimed| claimed.id).collect();
    got.sort();
    ids.sort();
    assert_eq!(got, ids);
    assert!(claimed.iter().all(|claimed| (claimed.epoch, claimed.attempts) == (1, 1)));
    assert!(claimed.iter().all(|claimed| claimed.payload == Payload::Noop));
    assert!(db.claim_some(&asked, WorkerId::generate(), LEASE).await.unwrap().is_empty());

    db.cancel_job(ids[0], "someone").await.unwrap();
    let claims: Vec<_> = ids.iter().map(|id| (*id, if *id == ids[1] { 2 } else { 1 })).collect();
    let mut done = db.close_some_done(&claims).await.unwrap();
    done.sort();
    assert_eq!(done, ids[2..]);
    assert!(db.close_some_done(&claims).await.unwrap().is_empty());
    assert_eq!(db.job(ids[0]).await.unwrap().unwrap().state, State::Running);
    let job = db.job(ids[5]).await.unwrap().unwrap();
    assert_eq!((job.state, job.worker), (State::Done, None));
    let history = db.attempts(ids[5]).await.unwrap();
    assert_eq!((history.len(), history[0].worker), (1, worker));
    assert_eq!(history[0].outcome.as_deref(), Some("done"));
    // They take nobody's hand.
    assert_eq!(db.backlog().await.unwrap().total(), 0);
}
