//! A server that is killed, frozen or vanished: calls end in time, and the same `Db` goes on afterwards.

use std::time::{Duration, Instant};

use reelfleet_db::{Db, Error, Topic};
use reelfleet_servers::Postgres;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{
    LONG, hears_again,
    locks::{delete_begun, stands_in_line},
    pool, with_connections,
};
use crate::suite;

/// A call ends within 10 s; the rest is for a busy machine.
const BOUND: Duration = Duration::from_secs(20);

/// A server that is killed takes the connections with it; the same `Db` goes on afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_is_away_and_then_back_with_every_answered_row() {
    let server = Postgres::start();
    let db = Db::open(&server.create("test")).await.unwrap();
    db.migrate().await.unwrap();
    let wakeup = db.wakeup(Topic::Work).await.unwrap();
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
    hears_again(&db, &wakeup).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_to_a_frozen_server_end_in_time_and_all_goes_on_once_it_thaws_or_restarts() {
    let server = Postgres::start();
    let db = Db::open(&server.create("test")).await.unwrap();
    db.migrate().await.unwrap();
    let wakeup = db.wakeup(Topic::Work).await.unwrap();

    server.freeze();
    assert_away(&db).await;
    server.thaw();
    is_back(&db).await;
    hears_again(&db, &wakeup).await;

    server.freeze();
    assert_away(&db).await;
    server.kill();
    server.restart();
    is_back(&db).await;
    hears_again(&db, &wakeup).await;
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
    let wakeup = db.wakeup(Topic::Work).await.unwrap();
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
    hears_again(&db, &wakeup).await;
}
