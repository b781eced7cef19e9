use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use reelfleet_db::RawSend;
use reelfleet_job::{JobId, Kind, Lane, Message, Priority};
use reelfleet_queue::QueueConfig;
use reelfleet_servers::Postgres;

use crate::suite::{self, Fixture};

mod on_sqlite {
    use super::{Fixture, QueueConfig, suite};

    pub(super) async fn fixture() -> Fixture {
        Fixture::open(&QueueConfig::Database).await
    }

    suite::conforms!(fixture);
}

mod on_postgres {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };

    use reelfleet_servers::Postgres;

    use super::{Fixture, QueueConfig, suite};

    /// One server for all: it ends with this process.
    static SERVER: LazyLock<Postgres> = LazyLock::new(Postgres::start);

    async fn fixture() -> Fixture {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("queue_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let url = tokio::task::spawn_blocking(move || SERVER.create(&name)).await.unwrap();
        Fixture::beside(&QueueConfig::Database, &url).await
    }

    suite::conforms!(fixture);
}

/// B9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_is_there_after_postgres_was_killed_under_load() {
    let server = Arc::new(Postgres::start());
    let fixture = Fixture::beside(&QueueConfig::Database, &server.create("queue")).await;
    let (done, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let sending = tokio::spawn({
        let (queue, done, count) = (fixture.queue.clone(), Arc::clone(&done), Arc::clone(&count));
        async move {
            let lane = Lane { kind: Kind::Transcode, priority: Priority::Normal };
            let mut confirmed = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let jobs: Vec<_> = (0..50).map(|_| JobId::generate()).collect();
                let message = |job: &JobId| (lane, Message::to(*job, Kind::Transcode));
                let batch: Vec<_> = jobs.iter().map(message).collect();
                if queue.send(&batch).await.error.is_none() {
                    confirmed.extend(jobs);
                }
                count.store(confirmed.len(), Ordering::Relaxed);
            }
            confirmed
        }
    });
    for round in 1..=2 {
        while count.load(Ordering::Relaxed) < round * 500 {
            tokio::task::yield_now().await;
        }
        let server = Arc::clone(&server);
        let fault = move || {
            server.kill();
            server.restart();
        };
        tokio::task::spawn_blocking(fault).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let confirmed = sending.await.unwrap();
    let mut received = HashSet::new();
    while !confirmed.iter().all(|job| received.contains(job)) {
        let some = suite::receive(&fixture.queue, 0).await;
        assert!(!some.is_empty(), "{} of {} are there", received.len(), confirmed.len());
        received.extend(some.iter().map(|delivery| delivery.message.job));
        let receipts: Vec<_> = some.into_iter().map(|delivery| delivery.receipt).collect();
        fixture.queue.ack(&receipts).await.unwrap();
    }
}

/// B21: another version.
#[tokio::test]
async fn a_body_of_an_unknown_form_becomes_a_dead_letter_and_hides_nothing() {
    let fixture = on_sqlite::fixture().await;
    let Fixture { db, queue, .. } = &fixture;
    let lane = Lane { kind: Kind::Transcode, priority: Priority::Normal };
    let body = "{\"v\":9}".to_owned();
    db.send_messages(&[RawSend { lane, job: JobId::generate(), body: body.clone() }])
        .await
        .unwrap();
    assert!(suite::receive(queue, 0).await.is_empty());
    assert_eq!(suite::ready(queue).await, 0);
    assert_eq!(queue.dead_letters(10).await.unwrap()[0].body, body);
}
