//! What happens to the server, and what must come of it.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reelfleet_job::{JobId, Kind, Priority};
use reelfleet_queue::{Delivery, Queue};
use reelfleet_runtime::Shutdown;
use reelfleet_servers::Redis;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{LONG, NORMAL, Raw, in_flight, one, queue, ring, send, shared};
use crate::suite;

/// A receive that waits for one message.
fn waiting(queue: &Queue) -> JoinHandle<Vec<Delivery>> {
    let queue = queue.clone();
    tokio::spawn(async move {
        queue.receive(Kind::Transcode, 0, 1, LONG, &Shutdown::new()).await.unwrap()
    })
}

/// Waits until somebody waits at the server.
async fn blocked(raw: &mut Raw) {
    let until = Instant::now() + LONG;
    loop {
        let info: ::redis::InfoDict = raw.ask(::redis::cmd("INFO").arg("clients")).await;
        if info.get::<u64>("blocked_clients").unwrap() > 0 {
            return;
        }
        assert!(Instant::now() < until, "nobody waits");
    }
}

/// Takes and acknowledges until there is nothing left.
async fn everything(queue: &Queue) -> HashSet<JobId> {
    let (mut all, shutdown) = (HashSet::new(), Shutdown::new());
    loop {
        let some = queue.receive(Kind::Transcode, 0, 500, Duration::ZERO, &shutdown).await.unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some.iter().map(|delivery| delivery.message.job));
        queue.ack(&some.into_iter().map(|one| one.receipt).collect::<Vec<_>>()).await.unwrap();
    }
}

/// B9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_is_there_after_a_kill_under_load() {
    let server = Arc::new(Redis::start());
    let queue = queue(&server.url(0)).await;
    let (done, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (queue, done, count) = (queue.clone(), Arc::clone(&done), Arc::clone(&count));
            tokio::spawn(async move {
                let mut confirmed = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    let (jobs, sent) = send(&queue, &[Priority::Normal; 50]).await;
                    let unconfirmed: HashSet<_> = sent.unconfirmed.into_iter().collect();
                    assert_eq!(unconfirmed.is_empty(), sent.error.is_none());
                    let kept = jobs.into_iter().enumerate();
                    confirmed.extend(
                        kept.filter(|(at, _)| !unconfirmed.contains(at)).map(|(_, job)| job),
                    );
                    count.store(confirmed.len(), Ordering::Relaxed);
                }
                confirmed
            })
        })
        .collect();
    for round in 1..=3 {
        while count.load(Ordering::Relaxed) < round * 1000 {
            tokio::task::yield_now().await;
        }
        let server = Arc::clone(&server);
        spawn_blocking(move || {
            server.kill();
            server.restart();
        })
        .await
        .unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let mut confirmed = Vec::new();
    for sender in senders {
        confirmed.extend(sender.await.unwrap());
    }
    let received = everything(&queue).await;
    let lost = confirmed.iter().filter(|job| !received.contains(job)).count();
    assert_eq!(lost, 0, "of {} confirmed", confirmed.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receive_that_waits_goes_on_after_a_restart() {
    let server = Arc::new(Redis::start());
    let queue = queue(&server.url(0)).await;
    let waiting = waiting(&queue);
    blocked(&mut Raw::of(&server.url(0)).await).await;
    let restart = spawn_blocking(move || {
        server.kill();
        server.restart();
        server
    });
    let _server = restart.await.unwrap();
    let job = ring(&queue).await;
    assert_eq!(waiting.await.unwrap()[0].message.job, job);
}

/// B10: `NOSCRIPT`.
#[tokio::test]
async fn forgotten_scripts_are_brought_again() {
    let url = shared();
    let queue = queue(&url).await;
    ring(&queue).await;
    let first = one(&queue).await;
    Raw::of(&url).await.say("SCRIPT FLUSH").await;
    queue.release(&[first.receipt]).await.unwrap();
    Raw::of(&url).await.say("SCRIPT FLUSH").await;
    let again = one(&queue).await;
    Raw::of(&url).await.say("SCRIPT FLUSH").await;
    queue.ack(&[again.receipt]).await.unwrap();
    Raw::of(&url).await.say("SCRIPT FLUSH").await;
    assert_eq!(suite::ready(&queue).await + in_flight(&queue).await, 0);
}

/// B8.
#[tokio::test]
async fn lanes_that_are_deleted_under_us_are_made_again() {
    let server = Redis::start();
    let queue = queue(&server.url(0)).await;
    let mut raw = Raw::of(&server.url(0)).await;
    for words in ["FLUSHALL", &format!("DEL {NORMAL}"), &format!("XGROUP DESTROY {NORMAL} fleet")] {
        ring(&queue).await;
        let in_hand = one(&queue).await;
        let waiting = waiting(&queue);
        blocked(&mut raw).await;
        raw.say(words).await;
        let job = if words.starts_with("XGROUP") {
            // Nobody knows any more that it is in somebody's hand.
            in_hand.message.job
        } else {
            ring(&queue).await
        };
        assert_eq!(waiting.await.unwrap()[0].message.job, job, "{words}");
        raw.say("FLUSHALL").await;
        queue.ack(std::slice::from_ref(&in_hand.receipt)).await.unwrap();
        queue.release(&[in_hand.receipt]).await.unwrap();
        assert_eq!(suite::ready(&queue).await + in_flight(&queue).await, 0, "{words}");
    }
}

/// B10: `maxmemory` is reached.
#[tokio::test]
async fn a_full_server_confirms_nothing_and_lets_everything_else_go_on() {
    let server = Redis::start();
    let queue = queue(&server.url(0)).await;
    let mut raw = Raw::of(&server.url(0)).await;
    let (acked, released) = (ring(&queue).await, ring(&queue).await);
    raw.say("CONFIG SET maxmemory 1mb").await;
    let (_, sent) = send(&queue, &[Priority::Normal; 3]).await;
    assert_eq!(sent.unconfirmed, [0, 1, 2]);
    let said = sent.error.unwrap().to_string();
    assert!(said.contains("raise its `maxmemory`"), "{said}");
    queue.bury(&["letter".to_owned()]).await.unwrap_err();

    let first = one(&queue).await;
    assert_eq!(first.message.job, acked);
    queue.ack(&[first.receipt]).await.unwrap();
    queue.release(&[one(&queue).await.receipt]).await.unwrap();
    let again = one(&queue).await;
    assert_eq!(again.message.job, released, "it was released though nothing can be added");
    queue.ack(&[again.receipt]).await.unwrap();

    let waiting = waiting(&queue);
    blocked(&mut raw).await;
    raw.say("CONFIG SET maxmemory 0").await;
    let job = ring(&queue).await;
    assert_eq!(waiting.await.unwrap()[0].message.job, job);
}

/// B10: `READONLY`.
#[tokio::test]
async fn a_server_that_is_a_replica_for_a_while_confirms_nothing_and_receives_go_on() {
    let server = Redis::start();
    let queue = queue(&server.url(0)).await;
    let mut raw = Raw::of(&server.url(0)).await;
    let waiting = waiting(&queue);
    blocked(&mut raw).await;
    // Of nobody: it keeps its data, and refuses to write.
    raw.say("REPLICAOF 127.0.0.1 1").await;
    let (_, sent) = send(&queue, &[Priority::Normal; 2]).await;
    assert_eq!(sent.unconfirmed, [0, 1]);
    let said = sent.error.unwrap().to_string();
    assert!(said.contains("REDIS_URL must lead to the primary"), "{said}");
    let none = queue.receive(Kind::Transcode, 0, 1, Duration::ZERO, &Shutdown::new()).await;
    let said = none.unwrap_err().to_string();
    assert!(said.contains("REDIS_URL must lead to the primary"), "{said}");
    raw.say("REPLICAOF NO ONE").await;
    let job = ring(&queue).await;
    assert_eq!(waiting.await.unwrap()[0].message.job, job);
}

/// B10: `LOADING`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_server_reads_its_data_that_is_said_and_then_it_is_used() {
    // So that reading takes three seconds; it answers after each thousand.
    let server = Arc::new(Redis::start_with(&[("key-load-delay", "1000")]));
    let queue = queue(&server.url(0)).await;
    let (_, sent) = send(&queue, &[Priority::Normal; 3000]).await;
    assert!(sent.error.is_none());
    let restart = spawn_blocking(move || {
        server.kill();
        server.restart();
        server
    });
    let mut said = HashSet::new();
    while !restart.is_finished() {
        if let Some(error) = send(&queue, &[Priority::High]).await.1.error {
            said.insert(error.to_string());
        }
        tokio::task::yield_now().await;
    }
    let _server = restart.await.unwrap();
    assert!(said.iter().any(|said| said.contains("it is reading its data")), "{said:?}");
    assert!(everything(&queue).await.len() >= 3000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_holds_nobody_for_long() {
    let server = Redis::start();
    let queue = queue(&server.url(0)).await;
    let shutdown = Shutdown::new();
    let receiving = tokio::spawn({
        let (queue, shutdown) = (queue.clone(), shutdown.clone());
        async move { queue.receive(Kind::Transcode, 0, 1, LONG, &shutdown).await }
    });
    blocked(&mut Raw::of(&server.url(0)).await).await;
    server.freeze();
    let began = Instant::now();
    shutdown.start_drain();
    let _ = receiving.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    // Those who come at once wait together, not one after the other.
    let began = Instant::now();
    let many: Vec<_> = (0..10)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move { send(&queue, &[Priority::Normal]).await.1 })
        })
        .collect();
    for one in many {
        assert_eq!(one.await.unwrap().unconfirmed, [0]);
    }
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    server.thaw();
    ring(&queue).await;
}
