use reelfleet_db::RawSend;
use reelfleet_job::{JobId, Kind, Lane, Priority};
use reelfleet_queue::QueueConfig;

use crate::suite::{self, Fixture};

async fn fixture() -> Fixture {
    Fixture::open(&QueueConfig::Database).await
}

suite::conforms!(fixture);

#[tokio::test]
async fn a_body_of_an_unknown_form_becomes_a_dead_letter_and_hides_nothing() {
    let fixture = fixture().await;
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
