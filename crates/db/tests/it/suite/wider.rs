//! Another process migrates while this one runs: tables have a column more than when this one
//! prepared its statements.

use std::time::Duration;

use reelfleet_db::{
    Beat, Db, JobFilter, NewUser, NewVideo, NewWorker, Pulse, RawSend, Role, Submitted, User,
    VideoFilter,
};
use reelfleet_job::{Kind, Lane, Reason, RetryPolicy, WorkerId};
use sqlx::migrate::Migrator;
use uuid::Uuid;

use super::{LEASE, claim, finished, new_video, noops, submit, user};

/// So often everything is done beforehand, and so often afterwards: whichever connection of a pool
/// serves a call then has served it before.
const DAYS: usize = 5;

/// `run` runs a statement beside our back.
pub(crate) async fn goes_on_with_a_column_more(
    db: &Db,
    migrations: &Migrator,
    run: impl AsyncFn(String),
) {
    for nth in 0..DAYS {
        day(db, nth).await;
    }
    let tables = tables(migrations);
    assert!(tables.len() > 10, "{tables:?}");
    for table in tables {
        run(format!("ALTER TABLE {table} ADD COLUMN later TEXT")).await;
    }
    for nth in DAYS..2 * DAYS {
        day(db, nth).await;
    }
}

fn tables(migrations: &Migrator) -> Vec<String> {
    let made = |line: &str| Some(line.strip_prefix("CREATE TABLE ")?.split(' ').next()?.to_owned());
    migrations.iter().flat_map(|of| of.sql.as_str().lines().filter_map(made)).collect()
}

/// Whatever reads rows or adds them, once.
async fn day(db: &Db, nth: usize) {
    let owner = account(db, nth).await;
    video_that_is_done(db, &owner, nth).await;
    video_that_dies(db, &owner).await;
    messages(db, &owner).await;
    let duty = format!("duty {nth}");
    assert_eq!(db.take_duty(&duty, Uuid::now_v7(), LEASE).await.unwrap(), Some(1));
    assert!(db.take_turn(&duty, LEASE).await.unwrap().is_some());
    assert_eq!(db.fleet().await.unwrap(), db.fleet().await.unwrap());
    assert_eq!(db.backlog().await.unwrap().total(), 0);
}

async fn account(db: &Db, nth: usize) -> User {
    let email = format!("{nth}@example.com");
    let made = db.user(user(db, &email).await).await.unwrap().unwrap();
    assert_eq!(db.user_by_email(&email).await.unwrap().unwrap().id, made.id);
    let new = NewUser { email, password_hash: "of the owner".to_owned(), role: Role::Operator };
    let taken = db.take_over(&new).await.unwrap();
    assert_eq!((taken.id, taken.token_version), (made.id, 1));
    assert!(db.first_operator().await.unwrap().is_some());
    let changed = db.change_password(&taken, "another").await.unwrap().unwrap();
    assert!(db.create_sign_in_link("hash", &changed, LEASE).await.unwrap());
    assert_eq!(db.use_sign_in_link("hash").await.unwrap().unwrap().id, made.id);
    changed
}

async fn video_that_is_done(db: &Db, owner: &User, nth: usize) {
    let new = NewVideo { idempotency_key: Some("key".to_owned()), ..new_video(owner.id) };
    let video = submit(db, &new).await;
    assert!(matches!(db.submit_video(&new).await.unwrap(), Submitted::Repeated(_)));
    assert_eq!(db.take_due(10).await.unwrap().len(), 1);

    let (worker, claimed) = claim(db, &video).await;
    let here = NewWorker { id: worker, host: format!("host {nth}"), pid: 7, concurrency: 1 };
    db.worker_started(&here).await.unwrap();
    let workers = db.workers(LEASE).await.unwrap();
    let seen = workers.iter().find(|seen| seen.id == worker).unwrap();
    assert_eq!((&*seen.host, seen.running), (&*here.host, 1));
    let pulse = Pulse { job: video.job, epoch: claimed.epoch, progress: 0.5 };
    assert_eq!(db.beat(worker, LEASE, &[pulse]).await.unwrap(), [Beat::Held]);
    assert_eq!(db.work(LEASE).await.unwrap().running.len(), 1);
    assert!(db.close_done(video.job, claimed.epoch, &finished(&video)).await.unwrap());

    let seen = db.video_in_session(owner, video.id).await.unwrap().unwrap();
    assert_eq!((seen.width, seen.files.len()), (Some(640), 1));
    let all = VideoFilter { limit: 10, ..VideoFilter::default() };
    assert_eq!(db.videos(owner.id, &all).await.unwrap().rows.len(), 1);
    let file = db.file(owner.id, video.id, "video.mp4").await.unwrap().unwrap();
    assert_eq!((file.job, file.epoch, file.file.bytes), (video.job, 1, 7));
    assert_eq!(db.attempts(video.job).await.unwrap().len(), 1);
    assert_eq!(db.epochs(video.job).await.unwrap().unwrap().live, Some(1));

    assert!(db.delete_video(owner.id, video.id).await.unwrap());
    assert_eq!(db.deleted_videos(10).await.unwrap(), [(video.id, video.job)]);
    db.purge_video(video.id).await.unwrap();
}

async fn video_that_dies(db: &Db, owner: &User) {
    let video = submit(db, &new_video(owner.id)).await;
    let why = Reason::new("undecodable", "The picture is damaged.");
    let (_, claimed) = claim(db, &video).await;
    assert!(db.hand_back(video.job, claimed.epoch).await.unwrap());
    let (worker, _) = claim(db, &video).await;
    assert_eq!(db.reap_worker(worker, &RetryPolicy::default()).await.unwrap().freed, 1);
    assert!(db.cancel_job(video.job, "ada").await.unwrap().is_some());

    let video = submit(db, &new_video(owner.id)).await;
    let (_, claimed) = claim(db, &video).await;
    assert!(db.close_dead(video.job, claimed.epoch, &why).await.unwrap());
    assert_eq!(db.unburied(10).await.unwrap(), [(video.job, Kind::Transcode)]);
    db.mark_buried(&[video.job]).await.unwrap();
    let job = db.job(video.job).await.unwrap().unwrap();
    assert_eq!((job.error, job.discarded), (Some(why), None));
    assert!(db.discard(video.job, "ada").await.unwrap());
    let newest = JobFilter { limit: 1, ..JobFilter::default() };
    let jobs = db.jobs(&newest).await.unwrap().rows;
    assert_eq!(jobs[0].discarded.as_ref().unwrap().by, "ada");
}

async fn messages(db: &Db, owner: &User) {
    let (new, lanes) = (noops(owner.id, 2), Lane::of(Kind::Noop));
    db.submit_jobs(&new, true).await.unwrap();
    assert_eq!(db.lane_depths().await.unwrap()[0].ready, 2);
    let message = db.receive_messages(&lanes, 1, LEASE).await.unwrap().remove(0);
    db.release_messages(&[message.receipt]).await.unwrap();
    let (job, body) = (new[0].id, "body".to_owned());
    db.send_messages(&[RawSend { lane: lanes[2], job, body }]).await.unwrap();
    let mut closed = 0;
    while closed < 2 {
        let taken = db.claim_next(&lanes, 10, WorkerId::generate(), LEASE).await.unwrap();
        assert!(taken.messages > 0, "one was passed over");
        let claims: Vec<_> = taken.claimed.iter().map(|held| (held.id, held.epoch)).collect();
        closed += db.close_some_done(&claims).await.unwrap().len();
    }
    db.bury_letters(&["letter".to_owned()]).await.unwrap();
    let letters = db.dead_letters(10, Duration::ZERO).await.unwrap();
    assert_eq!((letters.len(), &*letters[0].body), (1, "letter"));
    db.forget_letters(&[letters[0].id]).await.unwrap();
}
