//! Who is woken by what, and by how many connections.

use std::time::Duration;

use reelfleet_db::{Db, Pulse, Topic};
use reelfleet_job::Kind;

use super::{LONG, WORK, messages, pool, rung, url, with_connections};
use crate::suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_wakes_who_looks_and_nobody_who_waits_for_work() {
    let url = url();
    let (one, two) = (Db::open(&url).await.unwrap(), Db::open(&url).await.unwrap());
    one.migrate().await.unwrap();
    let mut work = two.wakeup(WORK).await.unwrap();
    let mut other_work = two.wakeup(Topic::Work(Kind::Noop)).await.unwrap();
    let mut changes = two.wakeup(Topic::Changes).await.unwrap();
    let video = suite::queued(&one).await;
    let (worker, claimed) = suite::claim(&one, &video).await;
    let beat = async |progress| {
        let pulse = Pulse { job: video.job, epoch: claimed.epoch, progress };
        one.beat(worker, suite::LEASE, &[pulse]).await.unwrap();
    };
    for tenth in 1..=8 {
        beat(f64::from(tenth) / 10.0).await;
        assert!(rung(&mut changes, LONG).await);
    }
    assert!(!rung(&mut work, Duration::ZERO).await, "a heartbeat woke a worker");

    while rung(&mut changes, Duration::from_secs(1)).await {}
    beat(0.8).await;
    let sent = messages(1);
    one.send_messages(&sent).await.unwrap();
    assert!(rung(&mut work, LONG).await, "a send woke nobody");
    assert!(!rung(&mut changes, Duration::ZERO).await, "a heartbeat without news woke somebody");

    let received = two.receive_messages(&[sent[0].lane], 1, LONG).await.unwrap();
    assert!(one.close_done(video.job, claimed.epoch, &suite::finished(&video)).await.unwrap());
    assert!(rung(&mut changes, LONG).await, "the end of a job woke nobody");
    assert!(!rung(&mut work, Duration::ZERO).await, "the end of a job woke a worker");
    one.release_messages(&[received[0].receipt]).await.unwrap();
    assert!(rung(&mut work, LONG).await, "a released message woke nobody");
    assert!(!rung(&mut other_work, Duration::from_secs(1)).await, "it woke who does other work");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_are_recorded_ring_with_their_commit_and_soon_after_another() {
    let url = url();
    let (one, two) = (Db::open(&url).await.unwrap(), Db::open(&url).await.unwrap());
    one.migrate().await.unwrap();
    let owner = suite::user(&one, "a@example.com").await;
    let mut work = two.wakeup(Topic::Work(Kind::Noop)).await.unwrap();
    let mut other_work = two.wakeup(WORK).await.unwrap();
    let mut changes = two.wakeup(Topic::Changes).await.unwrap();
    // All but the first come within the quiet time of the one before.
    for _ in 0..5 {
        one.submit_jobs(&suite::noops(owner, 1), true).await.unwrap();
        assert!(rung(&mut work, LONG).await, "a job with its message woke nobody");
        assert!(rung(&mut changes, LONG).await, "nobody saw it");
    }
    one.submit_jobs(&suite::noops(owner, 1), false).await.unwrap();
    assert!(rung(&mut changes, LONG).await, "nobody saw a job without a message");
    assert!(
        !rung(&mut work, Duration::from_secs(1)).await,
        "a job without a message woke a worker"
    );
    assert!(!rung(&mut other_work, Duration::ZERO).await, "it woke who does other work");
}

/// B13: a pool that is used up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_is_enough_for_every_call_and_one_more_for_all_who_wait() {
    let url = url();
    let db = with_connections(&url, 1).await;
    db.migrate().await.unwrap();
    let mut waiters = Vec::new();
    for topic in [WORK, Topic::Changes, WORK, Topic::Changes] {
        let waiter = db.wakeup(topic).await.unwrap();
        waiters.push(waiter.another());
        waiters.push(waiter);
    }
    let owner = suite::user(&db, "a@example.com").await;
    let uploads: Vec<_> = (0..20)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let video = suite::submit(&db, &suite::new_video(owner)).await;
                let (_, claimed) = suite::claim(&db, &video).await;
                let finished = suite::finished(&video);
                assert!(db.close_done(video.job, claimed.epoch, &finished).await.unwrap());
                db.send_messages(&messages(1)).await.unwrap();
            })
        })
        .collect();
    for upload in uploads {
        upload.await.unwrap();
    }
    for waiter in &mut waiters {
        assert!(rung(waiter, LONG).await);
    }
    let ours: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'reelfleet'",
    )
    .fetch_one(&pool(&url).await)
    .await
    .unwrap();
    assert_eq!(ours, 2);
}
