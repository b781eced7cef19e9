use reelfleet_db::Db;
use reelfleet_job::{Kind, Lane, Priority};
use reelfleet_queue::{Queue, QueueType};

use crate::suite::{self, Fixture};

async fn fixture() -> (Fixture, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}/test.db", folder.path().display())).await.unwrap();
    db.migrate().await.unwrap();
    let queue = Queue::open(QueueType::Database, &db).await.unwrap();
    (Fixture { db, queue }, folder)
}

/// Runs each named test of the suite on a queue of its own.
macro_rules! conforms {
    ($($name:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (fixture, _folder) = fixture().await;
                suite::$name(fixture).await;
            }
        )*

        #[test]
        fn every_test_of_the_suite_is_listed() {
            let written = suite::SOURCE.matches("\npub(crate) async fn ").count();
            assert_eq!([$(stringify!($name)),*].len(), written);
        }
    };
}

conforms! {
    a_message_in_hand_comes_to_nobody_else,
    an_acknowledged_message_is_gone_and_a_released_one_comes_at_once,
    a_send_wakes_a_waiting_receive,
    a_receive_ends_when_the_drain_begins,
    urgent_messages_go_first_and_low_ones_progress,
    a_submitted_video_rings,
    a_job_whose_message_was_lost_is_sent_again,
    a_job_that_was_handed_back_is_sent_again,
    a_lost_job_is_freed_and_sent_again,
}

#[tokio::test]
async fn a_body_of_an_unknown_form_is_dropped_and_hides_nothing() {
    let (Fixture { db, queue }, _folder) = fixture().await;
    let lane = Lane { kind: Kind::Transcode, priority: Priority::Normal };
    let job = reelfleet_job::JobId::generate();
    db.send_message(lane, job, "{\"v\":9}").await.unwrap();
    assert!(suite::receive(&queue, 0).await.is_empty());
    assert_eq!(suite::ready(&queue).await, 0);
}
