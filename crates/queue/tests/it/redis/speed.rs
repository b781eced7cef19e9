//! How fast it is. Not a test of anything: run by hand, with `--ignored --nocapture`.

use std::time::{Duration, Instant};

use reelfleet_job::{Kind, Priority};
use reelfleet_runtime::Shutdown;
use reelfleet_servers::Redis;

use super::{LONG, one, queue, ring, send};

const BATCHES: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn batches_of_500_and_a_wake_up() {
    for sync in ["everysec", "always"] {
        println!("appendfsync {sync}");
        measure(&Redis::start_with(&[("appendfsync", sync)])).await;
    }
}

#[expect(clippy::print_stdout, reason = "a measurement is printed")]
async fn measure(server: &Redis) {
    let queue = queue(&server.url(0)).await;
    let messages = (BATCHES * 500) as f64;
    let began = Instant::now();
    for _ in 0..BATCHES {
        assert!(send(&queue, &[Priority::Normal; 500]).await.1.error.is_none());
    }
    println!("send, batches of 500: {:.0}/s", messages / began.elapsed().as_secs_f64());

    let (began, shutdown, mut count) = (Instant::now(), Shutdown::new(), 0);
    while count < BATCHES * 500 {
        let some = queue.receive(Kind::Transcode, 0, 500, LONG, &shutdown).await.unwrap();
        count += some.len();
        queue.ack(&some.into_iter().map(|one| one.receipt).collect::<Vec<_>>()).await.unwrap();
    }
    println!("receive and ack, limit 500: {:.0}/s", messages / began.elapsed().as_secs_f64());

    let mut waits = Vec::new();
    for _ in 0..300 {
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { (one(&queue).await, Instant::now()) }
        });
        tokio::time::sleep(Duration::from_millis(5)).await;
        let sent = Instant::now();
        ring(&queue).await;
        let (delivery, received) = waiting.await.unwrap();
        waits.push(received.duration_since(sent));
        queue.ack(&[delivery.receipt]).await.unwrap();
    }
    waits.sort();
    println!("send to an idle receive: p50 {:?}, p99 {:?}", waits[150], waits[297]);
}
