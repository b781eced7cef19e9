//! What the relay sends again, and what not.

use std::time::Duration;

use reelfleet_job::WorkerId;
use reelfleet_queue::{Relay, RelayConfig};
use reelfleet_runtime::Shutdown;
use tokio::time::{Instant, sleep, timeout};

use super::{Fixture, LONG, fresh, intake::jobs, new_video, ready, receive, submitted, user};

fn relay(fixture: &Fixture) -> Relay {
    Relay::new(fixture.db.clone(), fixture.queue.clone(), RelayConfig::default())
}

pub(crate) async fn a_submitted_video_rings(fixture: Fixture) {
    let video = submitted(&fixture).await;
    let received = receive(&fixture.queue, 0).await;
    assert_eq!(received[0].message.job, video.job);
    // The relay sees that a message is on its way.
    relay(&fixture).turn().await.unwrap();
    assert_eq!(ready(&fixture.queue).await, 0);
}

/// A1.
pub(crate) async fn a_job_whose_process_died_before_it_sent_is_sent_by_the_relay(fixture: Fixture) {
    let new = new_video(&fixture.db).await;
    // Recorded, which is the last thing that was done.
    let video = fresh(fixture.db.submit_video(&new).await.unwrap());
    assert_eq!(ready(&fixture.queue).await, 0);
    for _ in 0..2 {
        relay(&fixture).turn().await.unwrap();
    }
    let received = receive(&fixture.queue, 0).await;
    let jobs: Vec<_> = received.iter().map(|delivery| delivery.message.job).collect();
    assert_eq!(jobs, [video.job]);
}

pub(crate) async fn a_job_whose_message_was_lost_is_sent_again(fixture: Fixture) {
    let video = submitted(&fixture).await;
    for delivery in receive(&fixture.queue, 0).await {
        fixture.queue.ack(std::slice::from_ref(&delivery.receipt)).await.unwrap();
    }
    assert_eq!(ready(&fixture.queue).await, 0);
    let relay = impatient(&fixture);
    while ready(&fixture.queue).await == 0 {
        relay.find_lost().await.unwrap();
    }
    assert_eq!(receive(&fixture.queue, 0).await[0].message.job, video.job);
}

pub(crate) async fn a_message_that_waits_in_its_lane_is_not_sent_again(fixture: Fixture) {
    submitted(&fixture).await;
    let relay = impatient(&fixture);
    for _ in 0..10 {
        relay.find_lost().await.unwrap();
        assert_eq!(ready(&fixture.queue).await, 1);
    }
}

/// Takes every message for lost at once, if its lane is empty.
fn impatient(fixture: &Fixture) -> Relay {
    let config = RelayConfig { lost_after: Duration::ZERO, ..RelayConfig::default() };
    Relay::new(fixture.db.clone(), fixture.queue.clone(), config)
}

pub(crate) async fn a_job_that_was_handed_back_is_sent_again(fixture: Fixture) {
    let video = submitted(&fixture).await;
    let delivery = receive(&fixture.queue, 0).await.remove(0);
    let claimed = fixture.db.claim(video.job, WorkerId::generate(), LONG).await.unwrap().unwrap();
    fixture.queue.ack(std::slice::from_ref(&delivery.receipt)).await.unwrap();
    fixture.db.hand_back(video.job, claimed.epoch).await.unwrap();
    relay(&fixture).turn().await.unwrap();
    assert_eq!(receive(&fixture.queue, 0).await[0].message.job, video.job);
}

/// B1: after its lease.
pub(crate) async fn a_lost_job_is_freed_and_sent_again(fixture: Fixture) {
    let video = submitted(&fixture).await;
    let delivery = receive(&fixture.queue, 0).await.remove(0);
    fixture.db.claim(video.job, WorkerId::generate(), Duration::ZERO).await.unwrap().unwrap();
    fixture.queue.ack(std::slice::from_ref(&delivery.receipt)).await.unwrap();
    let relay = relay(&fixture);
    while ready(&fixture.queue).await == 0 {
        relay.turn().await.unwrap();
    }
    assert_eq!(receive(&fixture.queue, 0).await[0].message.job, video.job);
}

/// B17: as after an outage of the broker, or when all dead jobs are redriven.
pub(crate) async fn a_thousand_jobs_that_are_due_at_once_wait_for_no_further_looks(
    fixture: Fixture,
) {
    let owner = user(&fixture.db).await;
    fixture.db.submit_jobs(&jobs(owner, 1000), false).await.unwrap();
    // With a look for each batch it would take 40 s.
    let config = RelayConfig { every: Duration::from_secs(2), batch: 50, ..RelayConfig::default() };
    let relay = Relay::new(fixture.db.clone(), fixture.queue.clone(), config);
    let shutdown = Shutdown::new();
    let running = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { relay.run(shutdown).await }
    });
    let began = Instant::now();
    let all = async {
        while ready(&fixture.queue).await < 1000 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, all).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    shutdown.start_drain();
    timeout(LONG, running).await.unwrap().unwrap();
}
