//! What every database must do, whatever it is.

pub(crate) mod claims;
pub(crate) mod operators;
pub(crate) mod owners;
pub(crate) mod relay;

use std::time::Duration;

use reelfleet_db::{Claimed, Db, File, Finished, NewUser, NewVideo, Role, Submitted, Video};
use reelfleet_job::{Priority, RetryPolicy, UserId, VideoId, WorkerId};

/// The suite's own text, so that a forgotten test is noticed.
pub(crate) const SOURCES: [&str; 4] = [
    include_str!("claims.rs"),
    include_str!("operators.rs"),
    include_str!("owners.rs"),
    include_str!("relay.rs"),
];

pub(crate) const LEASE: Duration = Duration::from_secs(600);

pub(crate) async fn user(db: &Db, email: &str) -> UserId {
    let new =
        NewUser { email: email.to_owned(), password_hash: "hash".to_owned(), role: Role::User };
    db.create_user(&new).await.unwrap().id
}

pub(crate) fn new_video(owner: UserId) -> NewVideo {
    NewVideo {
        id: VideoId::generate(),
        owner,
        title: "holiday".to_owned(),
        profile: "web".to_owned(),
        priority: Priority::Normal,
        source_bytes: 10,
        idempotency_key: None,
        fingerprint: "f".to_owned(),
        max_attempts: 3,
    }
}

pub(crate) async fn submit(db: &Db, new: &NewVideo) -> Video {
    match db.submit_video(new).await.unwrap() {
        Submitted::New(video) => *video,
        other => panic!("expected a new video, got {other:?}"),
    }
}

/// A user with one queued video.
pub(crate) async fn queued(db: &Db) -> Video {
    let owner = user(db, "owner@example.com").await;
    submit(db, &new_video(owner)).await
}

pub(crate) async fn claim(db: &Db, video: &Video) -> (WorkerId, Claimed) {
    let worker = WorkerId::generate();
    (worker, db.claim(video.job, worker, LEASE).await.unwrap().expect("a queued job"))
}

pub(crate) fn finished(video: &Video) -> Finished {
    let file = |name: &str, kind: &str| File {
        name: name.to_owned(),
        kind: kind.to_owned(),
        content_type: "video/mp4".to_owned(),
        bytes: 7,
    };
    Finished {
        video: video.id,
        duration_s: 1.5,
        width: 640,
        height: 360,
        files: vec![file("video.mp4", "video"), file("hls/0.m4s", "segment")],
    }
}

/// Reaps until something is freed: a lease of no length runs out with the next millisecond.
pub(crate) async fn reap_until_something(db: &Db) -> reelfleet_db::Reaped {
    loop {
        let reaped = db.reap(&RetryPolicy::default()).await.unwrap();
        if reaped != reelfleet_db::Reaped::default() {
            return reaped;
        }
        tokio::task::yield_now().await;
    }
}
