//! This version on the schema of the next one, as while an update rolls.

use std::time::Duration;

use reelfleet_db::{
    Beat, Db, JobFilter, NewUser, NewVideo, NewWorker, Pulse, RawSend, Role, Schema, Submitted,
    Topic, User, VideoFilter, WorkerState,
};
use reelfleet_job::{Kind, Lane, Reason, RetryPolicy, WorkerId};
use uuid::Uuid;

use super::{LEASE, claim, finished, new_video, noops, reap_until_something, submit};

/// C11: what was prepared before goes on after `next` has made the next version's schema, and who comes
/// anew works on it; until `raise` makes it one for those who know it. `open` is one more process.
pub(crate) async fn goes_on(
    open: impl AsyncFn() -> Db,
    next: impl AsyncFnOnce(),
    raise: impl AsyncFnOnce(),
) {
    let db = open().await;
    db.migrate().await.unwrap();
    round(&db, "a").await;
    next().await;
    db.check().await.unwrap();
    round(&db, "b").await;
    let anew = open().await;
    anew.check().await.unwrap();
    anew.migrate().await.unwrap();
    round(&anew, "c").await;

    raise().await;
    let known = Schema::known().newest;
    let next = known + 1;
    let said = format!(
        "the database's schema does not fit this version: a newer version has made migration {next}, and \
         only versions that know migration {next} work on it; this one knows {known}. Start one that \
         knows {next}, or restore a backup of before."
    );
    for refused in [db.check().await, anew.check().await, anew.migrate().await] {
        assert_eq!(refused.unwrap_err().to_string(), said);
    }
}

/// Every call, once at least, under names of its own.
async fn round(db: &Db, name: &str) {
    let user = users(db, name).await;
    a_video(db, &user, name).await;
    tries(db, &user).await;
    the_dead(db, &user).await;
    the_lost(db, &user).await;
    messages(db, &user).await;
    letters(db, name).await;
    duties(db, name).await;
    assert_eq!(db.backlog().await.unwrap().total(), 0, "{name}");
}

async fn users(db: &Db, name: &str) -> User {
    let new = |who: &str, role| NewUser {
        email: format!("{who}-{name}@example.com"),
        password_hash: "hash".to_owned(),
        role,
    };
    let user = db.create_user(&new("user", Role::User)).await.unwrap();
    assert_eq!(db.user_by_email(&user.email).await.unwrap().unwrap().id, user.id);
    assert_eq!(db.user(user.id).await.unwrap().unwrap().id, user.id);
    db.renew_password_hash(&user, "the same").await.unwrap();
    let user = db.change_password(&user, "another").await.unwrap().unwrap();
    for _ in 0..2 {
        let operator = db.take_over(&new("operator", Role::Operator)).await.unwrap();
        assert_eq!(operator.role, Role::Operator);
    }
    assert!(db.first_operator().await.unwrap().is_some());
    assert!(db.create_sign_in_link(name, &user, LEASE).await.unwrap());
    assert_eq!(db.use_sign_in_link(name).await.unwrap().unwrap().id, user.id);
    user
}

/// From its upload until it is forgotten.
async fn a_video(db: &Db, user: &User, key: &str) {
    let new = NewVideo { idempotency_key: Some(key.to_owned()), ..new_video(user.id) };
    let video = submit(db, &new).await;
    assert!(matches!(db.submit_video(&new).await.unwrap(), Submitted::Repeated(_)));
    assert_eq!(db.video_by_key(user.id, key).await.unwrap().unwrap().0.id, video.id);
    assert!(db.video(user.id, video.id).await.unwrap().is_some());
    assert!(db.video_in_session(user, video.id).await.unwrap().is_some());
    let all = VideoFilter { limit: 10, ..VideoFilter::default() };
    assert_eq!(db.videos(user.id, &all).await.unwrap().rows.len(), 1);
    assert_eq!(db.unfinished_videos(user.id).await.unwrap(), 1);
    assert_eq!(db.ahead_of(video.job).await.unwrap(), 0);

    let (worker, claimed) = claim(db, &video).await;
    let new = NewWorker { id: worker, host: "here".to_owned(), pid: 7, concurrency: 1 };
    db.worker_started(&new).await.unwrap();
    let pulse = Pulse { job: video.job, epoch: claimed.epoch, progress: 0.5 };
    assert_eq!(db.beat(worker, LEASE, &[pulse]).await.unwrap(), [Beat::Held]);
    let seen = db.workers(LEASE).await.unwrap();
    assert!(seen.iter().any(|seen| (seen.id, seen.running) == (worker, 1)), "{seen:?}");
    let work = db.work(LEASE).await.unwrap();
    assert_eq!(work.running.len(), 1);
    assert_eq!(db.epochs(video.job).await.unwrap().unwrap().live, Some(1));
    assert!(db.close_done(video.job, claimed.epoch, &finished(&video)).await.unwrap());
    db.worker_seen(worker, WorkerState::Gone).await.unwrap();
    assert!(!db.work(LEASE).await.unwrap().done.is_empty());
    assert!(db.file(user.id, video.id, "video.mp4").await.unwrap().is_some());
    assert_eq!(db.attempts(video.job).await.unwrap().len(), 1);

    assert!(db.delete_video(user.id, video.id).await.unwrap());
    assert_eq!(db.deleted_videos(10).await.unwrap(), [(video.id, video.job)]);
    db.purge_video(video.id).await.unwrap();
    assert!(!db.video_exists(video.id).await.unwrap());
}

async fn tries(db: &Db, user: &User) {
    let video = submit(db, &new_video(user.id)).await;
    let (_, first) = claim(db, &video).await;
    let why = Reason::new("internal", "Something went wrong.");
    assert!(db.retry(video.job, first.epoch, Duration::ZERO, &why).await.unwrap());
    let second = loop {
        db.take_due(10).await.unwrap();
        if let Some(claimed) = db.claim(video.job, WorkerId::generate(), LEASE).await.unwrap() {
            break claimed;
        }
    };
    assert!(db.hand_back(video.job, second.epoch).await.unwrap());
    let (_, third) = claim(db, &video).await;
    assert!(db.cancel_video(user.id, video.id).await.unwrap().unwrap().cancelling);
    assert!(db.close_cancelled(video.job, third.epoch).await.unwrap());
    let job = db.job(video.job).await.unwrap().unwrap();
    assert_eq!((job.attempts, job.epoch), (2, 3));
    let all = JobFilter { limit: 10, ..JobFilter::default() };
    assert!(db.jobs(&all).await.unwrap().rows.iter().any(|job| job.id == video.job));

    let other = submit(db, &new_video(user.id)).await;
    assert!(db.cancel_job(other.job, "ada").await.unwrap().is_some());
}

async fn the_dead(db: &Db, user: &User) {
    let video = submit(db, &new_video(user.id)).await;
    let dies = async || {
        let (_, claimed) = claim(db, &video).await;
        assert!(db.close_dead(video.job, claimed.epoch, &Reason::new("x", "y")).await.unwrap());
    };
    dies().await;
    assert_eq!(db.unburied(10).await.unwrap(), [(video.job, Kind::Transcode)]);
    db.mark_buried(&[video.job]).await.unwrap();
    assert_eq!(db.unmark_buried(&[], LEASE).await.unwrap(), 0);
    assert_eq!(db.dead_of(&[video.job]).await.unwrap(), [video.job]);
    assert!(db.redrive(video.job, "ada").await.unwrap());
    dies().await;
    assert!(db.discard(video.job, "ada").await.unwrap());
}

async fn the_lost(db: &Db, user: &User) {
    let video = submit(db, &new_video(user.id)).await;
    let policy = RetryPolicy::default();
    let worker = WorkerId::generate();
    assert!(db.claim(video.job, worker, LEASE).await.unwrap().is_some());
    assert_eq!(db.reap_worker(worker, &policy).await.unwrap().freed, 1);
    assert!(db.claim(video.job, worker, Duration::ZERO).await.unwrap().is_some());
    assert_eq!(reap_until_something(db).await.freed, 1);
    assert!(db.cancel_job(video.job, "ada").await.unwrap().is_some());
}

async fn messages(db: &Db, user: &User) {
    let jobs = noops(user.id, 4);
    db.submit_jobs(&jobs, true).await.unwrap();
    let (lanes, worker) = (Lane::of(Kind::Noop), WorkerId::generate());
    let mut wakeup = db.wakeup(Topic::Work(Kind::Noop)).await.unwrap();
    let first = db.receive_messages(&lanes, 1, LEASE).await.unwrap().remove(0).receipt;
    db.release_messages(&[first]).await.unwrap();
    let first = db.receive_messages(&lanes, 1, LEASE).await.unwrap().remove(0).receipt;
    let claimed = db.claim_some(&[first.job], worker, LEASE).await.unwrap();
    db.ack_messages(&[first]).await.unwrap();
    let mut claims: Vec<_> = claimed.iter().map(|claimed| (claimed.id, claimed.epoch)).collect();
    while claims.len() < jobs.len() {
        let taken = db.claim_next(&lanes, 10, worker, LEASE).await.unwrap();
        claims.extend(taken.claimed.iter().map(|claimed| (claimed.id, claimed.epoch)));
    }
    assert_eq!(db.close_some_done(&claims).await.unwrap().len(), jobs.len());

    let [job] = &noops(user.id, 1)[..] else { panic!("one") };
    db.submit_jobs(std::slice::from_ref(job), false).await.unwrap();
    db.mark_sent(&[job.id]).await.unwrap();
    assert!(db.take_lost(10, LEASE, &lanes).await.unwrap().is_empty());
    db.unmark_sent(&[job.id]).await.unwrap();
    assert_eq!(db.take_due(10).await.unwrap()[0].job, job.id);
    db.send_messages(&[RawSend { lane: lanes[2], job: job.id, body: "body".to_owned() }])
        .await
        .unwrap();
    wakeup.wait(LEASE).await;
    assert_eq!(db.lane_depths().await.unwrap()[0].ready, 1);
    let taken = db.claim_next(&lanes, 10, worker, LEASE).await.unwrap();
    assert_eq!(taken.claimed.len(), 1);
    assert_eq!(db.close_some_done(&[(job.id, 1)]).await.unwrap(), [job.id]);
}

async fn letters(db: &Db, body: &str) {
    db.bury_letters(&[body.to_owned()]).await.unwrap();
    let letter = db.dead_letters(10, LEASE).await.unwrap().remove(0);
    db.release_letters(&[letter.id]).await.unwrap();
    assert_eq!(db.dead_letters(10, LEASE).await.unwrap()[0].body, body);
    assert_eq!(db.count_letters().await.unwrap(), 1);
    db.forget_letters(&[letter.id]).await.unwrap();
}

async fn duties(db: &Db, name: &str) {
    let holder = Uuid::now_v7();
    assert_eq!(db.take_duty(name, holder, LEASE).await.unwrap(), Some(1));
    db.leave_duty(name, holder).await.unwrap();
    assert!(db.take_turn(name, LEASE).await.unwrap().is_some());
    assert_eq!(db.fleet().await.unwrap(), db.fleet().await.unwrap());
}

#[test]
fn every_call_is_made() {
    let declared = include_str!("../../../src/lib.rs");
    let (_, calls) = declared.split_once("\ncalls! {").unwrap();
    let mut names = calls.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("    ")?.split_once('(')?;
        name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_').then_some(name)
    });
    let made = include_str!("rolling.rs");
    assert!(names.clone().count() > 60, "the declarations are read");
    let missed: Vec<_> =
        names.by_ref().filter(|name| !made.contains(&format!("db.{name}("))).collect();
    // What `the_lost` calls by a helper's name.
    assert_eq!(missed, ["reap"]);
}
