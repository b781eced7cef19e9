use std::time::Duration;

use reelfleet_db::{Db, JobFilter, NewWorker, WorkerState};
use reelfleet_job::{JobId, Reason, State, WorkerId};

use super::{LEASE, claim, finished, new_video, queued, submit};

/// B6: the same id, tries anew, once.
pub(crate) async fn a_dead_job_can_be_redriven_or_discarded_and_nothing_else_can(db: Db) {
    let video = queued(&db).await;
    assert!(!db.redrive(video.job, "ada").await.unwrap());
    assert!(!db.discard(video.job, "ada").await.unwrap());
    let (_, claimed) = claim(&db, &video).await;
    let why = Reason::new("undecodable", "The picture is damaged.");
    assert!(db.close_dead(video.job, claimed.epoch, &why).await.unwrap());
    let dead = JobFilter { state: Some(State::Dead), limit: 10, before: None };
    assert_eq!(db.jobs(&dead).await.unwrap().rows[0].error, Some(why));

    assert!(db.redrive(video.job, "ada").await.unwrap());
    assert!(!db.redrive(video.job, "ada").await.unwrap());
    let job = db.job(video.job).await.unwrap().unwrap();
    assert_eq!((job.state, job.attempts, job.epoch), (State::Queued, 0, 1));
    let (_, again) = claim(&db, &video).await;
    assert_eq!(again.epoch, 2);
    db.close_dead(video.job, again.epoch, &Reason::new("x", "y")).await.unwrap();
    assert!(db.discard(video.job, "ada").await.unwrap());
    assert_eq!(db.job(video.job).await.unwrap().unwrap().state, State::Cancelled);
    assert!(!db.redrive(video.job, "ada").await.unwrap());
}

/// What operators did, as it was written down.
pub(crate) const AUDIT: &str = "SELECT actor, action FROM audit ORDER BY id";

/// What operators do to a job, by their names: of two redrives the second has no effect.
pub(crate) fn deeds(db: &Db) -> impl Future<Output = Vec<(String, String)>> {
    let db = db.clone();
    async move {
        let video = queued(&db).await;
        let dies = async || {
            let (_, claimed) = claim(&db, &video).await;
            assert!(db.close_dead(video.job, claimed.epoch, &Reason::new("x", "y")).await.unwrap());
        };
        dies().await;
        assert!(db.redrive(video.job, "ada").await.unwrap());
        assert!(!db.redrive(video.job, "bob").await.unwrap());
        dies().await;
        assert!(db.discard(video.job, "eve").await.unwrap());
        let deed = |who: &str, what: &str| (who.to_owned(), what.to_owned());
        vec![deed("ada", "redrive"), deed("eve", "discard")]
    }
}

pub(crate) async fn a_discarded_job_says_who_discarded_it_and_its_video_fails_no_more(db: Db) {
    let video = queued(&db).await;
    let other = submit(&db, &new_video(video.owner)).await;
    let why = Reason::new("undecodable", "The picture is damaged.");
    for video in [&video, &other] {
        let (_, claimed) = claim(&db, video).await;
        db.close_dead(video.job, claimed.epoch, &why).await.unwrap();
    }
    db.redrive(video.job, "ada").await.unwrap();
    let (_, again) = claim(&db, &video).await;
    db.close_dead(video.job, again.epoch, &why).await.unwrap();
    let died = db.job(video.job).await.unwrap().unwrap();
    assert_eq!(died.discarded, None);

    db.discard(video.job, "bob").await.unwrap();
    let job = db.job(video.job).await.unwrap().unwrap();
    let discarded = job.discarded.unwrap();
    assert_eq!((discarded.by.as_str(), job.error), ("bob", Some(why.clone())));
    assert!(Some(discarded.at) >= died.finished_at);
    let all = JobFilter { limit: 10, ..JobFilter::default() };
    let listed = db.jobs(&all).await.unwrap().rows;
    let by: Vec<_> = listed.iter().map(|job| job.discarded.as_ref().map(|d| &*d.by)).collect();
    assert_eq!(by, [None, Some("bob")]);
    for (video, error) in [(&video, None), (&other, Some(why))] {
        assert_eq!(db.video(video.owner, video.id).await.unwrap().unwrap().error, error);
    }
}

pub(crate) async fn the_backlog_counts_what_is_unfinished(db: Db) {
    let first = queued(&db).await;
    let second = submit(&db, &new_video(first.owner)).await;
    let third = submit(&db, &new_video(first.owner)).await;
    assert_eq!(db.ahead_of(third.job).await.unwrap(), 2);
    let (worker, claimed) = claim(&db, &first).await;
    claim(&db, &second).await;
    let backlog = db.backlog().await.unwrap();
    assert_eq!((backlog.waiting, backlog.running, backlog.total()), (1, 2, 3));
    assert!(backlog.mean_run_s.is_none() && backlog.oldest_waiting_s >= 0.0);
    db.close_done(first.job, claimed.epoch, &finished(&first)).await.unwrap();
    let backlog = db.backlog().await.unwrap();
    assert_eq!(backlog.total(), 2);
    assert!(backlog.mean_run_s.is_some());

    let new = NewWorker { id: worker, host: "here".to_owned(), pid: 7, concurrency: 2 };
    db.worker_started(&new).await.unwrap();
    let seen = db.workers(LEASE).await.unwrap();
    assert_eq!((seen[0].state, seen[0].running), (WorkerState::Active, 0));
    db.worker_seen(worker, WorkerState::Draining).await.unwrap();
    assert_eq!(db.workers(LEASE).await.unwrap()[0].state, WorkerState::Draining);
}

pub(crate) async fn a_jobs_history_tells_what_each_claim_came_to(db: Db) {
    let video = queued(&db).await;
    let (_, first) = claim(&db, &video).await;
    db.hand_back(video.job, first.epoch).await.unwrap();
    let (_, second) = claim(&db, &video).await;
    let why = Reason::new("internal", "Something went wrong.");
    db.retry(video.job, second.epoch, Duration::ZERO, &why).await.unwrap();
    let third = loop {
        db.take_due(10).await.unwrap();
        if let Some(claimed) = db.claim(video.job, WorkerId::generate(), LEASE).await.unwrap() {
            break claimed;
        }
    };
    db.close_done(video.job, third.epoch, &finished(&video)).await.unwrap();
    let attempts = db.attempts(video.job).await.unwrap();
    let outcomes: Vec<_> = attempts.iter().filter_map(|a| a.outcome.as_deref()).collect();
    assert_eq!(outcomes, ["handed_back", "retry", "done"]);
    assert_eq!(attempts[1].error, Some(why));
    assert!(attempts.iter().all(|attempt| attempt.ended_at.is_some()));
}

pub(crate) async fn outputs_are_needed_only_of_the_live_epoch(db: Db) {
    let video = queued(&db).await;
    let epochs = async || {
        let epochs = db.epochs(video.job).await.unwrap().unwrap();
        (epochs.last, epochs.live)
    };
    assert_eq!(epochs().await, (0, None));
    let (_, first) = claim(&db, &video).await;
    assert_eq!((first.epoch, epochs().await), (1, (1, Some(1))));
    db.hand_back(video.job, first.epoch).await.unwrap();
    assert_eq!(epochs().await, (1, None));
    let (_, second) = claim(&db, &video).await;
    db.close_done(video.job, second.epoch, &finished(&video)).await.unwrap();
    assert_eq!(epochs().await, (2, Some(2)));
    assert_eq!(db.epochs(JobId::generate()).await.unwrap(), None);
}
