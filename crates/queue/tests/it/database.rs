use reelfleet_db::RawSend;
use reelfleet_job::{JobId, Kind, Lane, Priority};
use reelfleet_queue::QueueConfig;

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
