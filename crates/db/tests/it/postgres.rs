use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use reelfleet_db::{Db, Error};
use reelfleet_servers::Postgres;

use crate::suite::{self, conforms};

/// One server for all tests here; each has a database of its own.
static SERVER: LazyLock<Postgres> = LazyLock::new(Postgres::start);

fn url() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    SERVER.create(&format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

async fn fresh() -> ((), Db) {
    let db = Db::open(&url()).await.unwrap();
    db.migrate().await.unwrap();
    ((), db)
}

conforms!(fresh);

#[tokio::test]
async fn a_database_of_another_version_is_refused() {
    let db = Db::open(&url()).await.unwrap();
    let said = db.check().await.unwrap_err().to_string();
    assert_eq!(said, "the database's schema does not fit this version: there is none yet");
    db.migrate().await.unwrap();
    db.check().await.unwrap();
    db.migrate().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_another_process_wakes_a_waiter() {
    let url = url();
    let (one, two) = (Db::open(&url).await.unwrap(), Db::open(&url).await.unwrap());
    one.migrate().await.unwrap();
    let wakeup = one.wakeup().await.unwrap();
    let video = suite::queued(&two).await;
    let woken =
        tokio::time::timeout(Duration::from_secs(20), wakeup.wait(Duration::from_secs(600)));
    woken.await.unwrap_or_else(|_| panic!("no wake-up after {} was submitted", video.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_uploads_with_one_key_at_once_one_is_new() {
    let ((), db) = fresh().await;
    let owner = suite::user(&db, "a@example.com").await;
    let tries = (0..20).map(|_| {
        let db = db.clone();
        let new = reelfleet_db::NewVideo {
            idempotency_key: Some("key".to_owned()),
            ..suite::new_video(owner)
        };
        tokio::spawn(async move { db.submit_video(&new).await.unwrap() })
    });
    let tries: Vec<_> = tries.collect();
    let mut new = 0;
    let mut ids = std::collections::HashSet::new();
    for submitted in tries {
        match submitted.await.unwrap() {
            reelfleet_db::Submitted::New(video) => {
                new += 1;
                ids.insert(video.id);
            }
            reelfleet_db::Submitted::Repeated(video) => {
                ids.insert(video.id);
            }
            reelfleet_db::Submitted::KeyReused => panic!("the same upload"),
        }
    }
    assert_eq!((new, ids.len()), (1, 1));
    assert_eq!(db.unfinished_videos(owner).await.unwrap(), 1);
}

/// A server that is killed takes the connections with it; the same `Db` goes on afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_is_away_and_then_back_with_every_answered_row() {
    let server = Postgres::start();
    let db = Db::open(&server.create("test")).await.unwrap();
    db.migrate().await.unwrap();
    let wakeup = db.wakeup().await.unwrap();
    let video = suite::queued(&db).await;
    let (worker, claimed) = suite::claim(&db, &video).await;

    server.kill();
    let away = db.submit_video(&suite::new_video(video.owner)).await;
    assert!(matches!(away, Err(Error::Unavailable(_))), "{away:?}");

    server.restart();
    let beat = reelfleet_db::Pulse { job: video.job, epoch: claimed.epoch, progress: 0.5 };
    let held = db.beat(worker, suite::LEASE, &[beat]).await.unwrap();
    assert_eq!(held, [reelfleet_db::Beat::Held]);
    let seen = db.video(video.owner, video.id).await.unwrap().unwrap();
    assert!((seen.progress - 0.5).abs() < f64::EPSILON);
    // Whoever listened hears again, once it has connected anew.
    let heard = async {
        loop {
            suite::submit(&db, &suite::new_video(video.owner)).await;
            let before = std::time::Instant::now();
            wakeup.wait(Duration::from_secs(1)).await;
            if before.elapsed() < Duration::from_millis(900) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), heard).await.expect("a wake-up");
}
