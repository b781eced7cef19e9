//! A server that is killed, frozen or vanished: calls end in time, and the same `Db` goes on afterwards.

use std::time::{Duration, Instant};

use reelfleet_db::{Db, Error};
use reelfleet_servers::Postgres;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{
    LONG, WORK, hears_again,
    locks::{delete_begun, stand_in_line, stands_in_line},
    pool, with_connections,
};
use crate::suite;

/// A call ends within 10 s; the rest is for a busy machine.
const BOUND: Duration = Duration::from_secs(20);

/// B13: a restart. A server that is killed takes the connections with it; the same `Db` goes on afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_is_away_and_then_back_with_every_answered_row() {
    let server = Postgres::start();
    let db = Db::open(&server.create("test")).await.unwrap();
    db.migrate().await.unwrap();
    let mut wakeup = db.wakeup(WORK).await.unwrap();
    let video = suite::queued(&db).await;
    let (worker, claimed) = suite::claim(&db, &video).await;

    server.kill();
    // A backend outlives its postmaster for a moment, and may answer once more.
    let away = async {
        loop {
            if let Err(error) = db.submit_video(&suite::new_video(video.owner)).await {
                break error;
            }
        }
    };
    let away = tokio::time::timeout(LONG, away).await.expect("the database is away");
    assert!(matches!(away, Error::Unavailable(_)), "{away:?}");

    server.restart();
    let beat = reelfleet_db::Pulse { job: video.job, epoch: claimed.epoch, progress: 0.5 };
    let held = db.beat(worker, suite::LEASE, &[beat]).await.unwrap();
    assert_eq!(held, [reelfleet_db::Beat::Held]);
    let seen = db.video(video.owner, video.id).await.unwrap().unwrap();
    assert!((seen.progress - 0.5).abs() < f64::EPSILON);
    // Whoever listened hears again, once it has connected anew.
    hears_again(&db, &mut wakeup).await;
}

/// Makes more calls at once than there are connections: all of them fail, and in time.
async fn assert_away(db: &Db) {
    let before = Instant::now();
    let calls: Vec<_> = (0..12)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.backlog().await })
        })
        .collect();
    for call in calls {
        let away = call.await.unwrap();
        assert!(matches!(away, Err(Error::Unavailable(_))), "{away:?}");
    }
    assert!(before.elapsed() < BOUND, "{:?}", before.elapsed());
}

async fn is_back(db: &Db) {
    let back = async { while db.check().await.is_err() {} };
    tokio::time::timeout(LONG, back).await.expect("the database is back");
}

/// B13: more calls than connections, none of which is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_to_a_frozen_server_end_in_time_and_all_goes_on_once_it_thaws_or_restarts() {
    let server = Postgres::start();
    let db = Db::open(&server.create("test")).await.unwrap();
    db.migrate().await.unwrap();
    let mut wakeup = db.wakeup(WORK).await.unwrap();

    server.freeze();
    assert_away(&db).await;
    server.thaw();
    is_back(&db).await;
    hears_again(&db, &mut wakeup).await;

    server.freeze();
    assert_away(&db).await;
    server.kill();
    server.restart();
    is_back(&db).await;
    hears_again(&db, &mut wakeup).await;
}

/// Between a client and a server. It can fall silent as the network does when a machine at the
/// other end loses its power and another one takes over its address.
struct Network {
    port: u16,
    era: watch::Sender<()>,
}

impl Network {
    async fn before(server: u16) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let era = watch::Sender::new(());
        let eras = era.clone();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut era = eras.subscribe();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        // Nobody is told that the connection is gone.
                        _ = era.changed() => std::future::pending::<()>().await,
                    }
                });
            }
        });
        Network { port, era }
    }

    /// What was connected so far hears nothing more. What connects from now on works.
    fn forget_connections(&self) {
        self.era.send_modify(|()| ());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_vanished_without_a_word_is_noticed_and_the_next_one_is_used() {
    let server = Postgres::start();
    let direct = pool(&server.create("test")).await;
    let network = Network::before(server.port()).await;
    let url = format!("postgres://reelfleet@127.0.0.1:{}/test", network.port);
    let db = with_connections(&url, 1).await;
    db.migrate().await.unwrap();
    let mut wakeup = db.wakeup(WORK).await.unwrap();
    // The only connection is in the middle of a call.
    let video = suite::queued(&db).await;
    let locked = delete_begun(&direct, &video).await;
    let delete = tokio::spawn({
        let db = db.clone();
        async move { db.delete_video(video.owner, video.id).await }
    });
    stands_in_line(&direct, &delete).await;
    network.forget_connections();
    let away = tokio::time::timeout(BOUND, delete).await.unwrap().unwrap();
    assert!(matches!(away, Err(Error::Unavailable(_))), "{away:?}");
    locked.rollback().await.unwrap();
    is_back(&db).await;
    // Now it is idle.
    network.forget_connections();
    is_back(&db).await;
    hears_again(&db, &mut wakeup).await;
}

/// Wherever the calls are when the server vanishes: asking, giving back, just idle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_vanished_under_load_leaves_every_connection_its_place() {
    const CONNECTIONS: u32 = 8;
    let server = Postgres::start();
    let direct = pool(&server.create("test")).await;
    let network = Network::before(server.port()).await;
    let url = format!("postgres://reelfleet@127.0.0.1:{}/test", network.port);
    let db = with_connections(&url, CONNECTIONS).await;
    db.migrate().await.unwrap();
    let video = suite::queued(&db).await;

    let vanished = watch::Sender::new(false);
    let calls: Vec<_> = (0..2 * CONNECTIONS)
        .map(|_| {
            let (db, vanished) = (db.clone(), vanished.subscribe());
            tokio::spawn(async move {
                while !*vanished.borrow() {
                    drop(db.backlog().await);
                }
            })
        })
        .collect();
    let answered = async {
        let begun = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%FROM jobs%'";
        while sqlx::query_scalar::<_, i64>(begun).fetch_one(&direct).await.unwrap()
            < i64::from(CONNECTIONS)
        {}
    };
    tokio::time::timeout(LONG, answered).await.unwrap();
    network.forget_connections();
    vanished.send_replace(true);
    for call in calls {
        tokio::time::timeout(LONG, call).await.expect("the call ends").unwrap();
    }
    is_back(&db).await;

    let locked = delete_begun(&direct, &video).await;
    let deletes: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (db, video) = (db.clone(), video.clone());
            tokio::spawn(async move { db.delete_video(video.owner, video.id).await })
        })
        .collect();
    stand_in_line(&direct, &deletes).await;
    locked.rollback().await.unwrap();
    let mut deleted = 0;
    for delete in deletes {
        deleted += u32::from(delete.await.unwrap().unwrap());
    }
    assert_eq!(deleted, 1);
}
