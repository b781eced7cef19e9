//! Receives that wait, and how soon they end.

use std::time::Duration;

use reelfleet_job::{Kind, Priority};
use reelfleet_queue::{Delivery, Queue};
use reelfleet_runtime::Shutdown;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{Fixture, LONG, send};

/// A receive that waits. It has found nothing for a while, so only a bell ends it soon.
async fn idle(queue: &Queue, at_most: Duration, shutdown: &Shutdown) -> JoinHandle<Vec<Delivery>> {
    let (queue, shutdown) = (queue.clone(), shutdown.clone());
    let mut waiting = tokio::spawn(async move {
        queue.receive(Kind::Transcode, 0, 1, at_most, &shutdown).await.unwrap()
    });
    assert!(timeout(Duration::from_millis(100), &mut waiting).await.is_err(), "it ended early");
    waiting
}

pub(crate) async fn a_receive_waits_as_long_as_it_is_told(Fixture { queue, .. }: Fixture) {
    let told = Duration::from_secs(1);
    let began = Instant::now();
    assert!(idle(&queue, told, &Shutdown::new()).await.await.unwrap().is_empty());
    let took = began.elapsed();
    assert!(took > told * 9 / 10 && took < told * 2, "{took:?}");
}

pub(crate) async fn a_send_wakes_a_waiting_receive(Fixture { queue, pace, .. }: Fixture) {
    let mut took = Vec::new();
    for _ in 0..5 {
        let waiting = idle(&queue, LONG, &Shutdown::new()).await;
        let began = Instant::now();
        let job = send(&queue, Priority::Low).await;
        let received = timeout(LONG / 2, waiting).await.unwrap().unwrap();
        took.push(began.elapsed());
        assert_eq!(received[0].message.job, job);
        queue.ack(std::slice::from_ref(&received[0].receipt)).await.unwrap();
    }
    took.sort();
    assert!(took[2] < pace.wakes, "{took:?}");
}

pub(crate) async fn a_receive_ends_when_the_drain_begins(Fixture { queue, pace, .. }: Fixture) {
    let shutdown = Shutdown::new();
    let waiting = idle(&queue, LONG, &shutdown).await;
    let began = Instant::now();
    shutdown.start_drain();
    let received = timeout(LONG / 2, waiting).await.unwrap().unwrap();
    assert!(received.is_empty());
    assert!(began.elapsed() < pace.leaves, "{:?}", began.elapsed());
}
