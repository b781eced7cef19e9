//! Messages in hand: whose they are, and what another's hand in the streams does to them.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use reelfleet_job::{JobId, Kind, Priority};
use reelfleet_runtime::Shutdown;
use reelfleet_servers::Redis;

use super::{LONG, NORMAL, Raw, in_flight, one, queue, ring, send, shared};
use crate::suite;

/// B2: a late acknowledgement.
#[tokio::test]
async fn a_message_of_a_dead_worker_comes_to_another_after_a_while_and_its_old_receipt_does_nothing()
 {
    let url = shared();
    let (queue, mut raw) = (queue(&url).await, Raw::of(&url).await);
    let job = ring(&queue).await;
    let dead = one(&queue).await;
    assert!(suite::receive(&queue, 0).await.is_empty(), "it is hidden");
    raw.age(NORMAL).await;
    let again = one(&queue).await;
    assert_eq!(again.message.job, job);
    queue.ack(std::slice::from_ref(&dead.receipt)).await.unwrap();
    queue.release(&[dead.receipt]).await.unwrap();
    assert_eq!((suite::ready(&queue).await, in_flight(&queue).await), (0, 1));
    queue.ack(&[again.receipt]).await.unwrap();
    assert_eq!((suite::ready(&queue).await, in_flight(&queue).await), (0, 0));
}

/// B12: nothing is handed out twice before its time, and everything after it.
#[tokio::test]
async fn every_message_of_a_dead_worker_comes_again() {
    let url = shared();
    let (queue, mut raw) = (queue(&url).await, Raw::of(&url).await);
    let (mut jobs, _) = send(&queue, &[Priority::Normal; 300]).await;
    let shutdown = Shutdown::new();
    let receive = |limit| queue.receive(Kind::Transcode, 0, limit, LONG, &shutdown);
    assert_eq!(receive(300).await.unwrap().len(), 300);
    raw.age(NORMAL).await;
    let mut again = Vec::new();
    while again.len() < 300 {
        again.extend(receive(7).await.unwrap().iter().map(|delivery| delivery.message.job));
    }
    jobs.sort();
    again.sort();
    assert!(again == jobs, "some came twice or not at all");
}

/// B11 and B12: in hand, and not there any more.
#[tokio::test]
async fn a_delivery_whose_message_was_deleted_by_another_hand_is_forgotten() {
    let url = shared();
    let (queue, mut raw) = (queue(&url).await, Raw::of(&url).await);
    ring(&queue).await;
    let gone = one(&queue).await;
    raw.age(NORMAL).await;
    raw.say(&format!("XTRIM {NORMAL} MAXLEN 0")).await;
    let job = ring(&queue).await;
    let kept = one(&queue).await;
    assert_eq!(kept.message.job, job);
    let until = Instant::now() + LONG;
    while in_flight(&queue).await > 1 {
        assert!(Instant::now() < until, "it is stuck");
        let wait = Duration::from_millis(100);
        queue.receive(Kind::Transcode, 0, 1, wait, &Shutdown::new()).await.unwrap();
    }
    queue.release(&[gone.receipt]).await.unwrap();
    assert_eq!((suite::ready(&queue).await, in_flight(&queue).await), (0, 1));
}

/// B11: delivered, and in nobody's hand.
#[tokio::test]
async fn a_message_that_another_hand_let_go_comes_again() {
    let url = shared();
    let (queue, mut raw) = (queue(&url).await, Raw::of(&url).await);
    let jobs = [ring(&queue).await, ring(&queue).await];
    let held = [one(&queue).await, one(&queue).await];
    let ids: Vec<(String, String, u64, u64)> =
        raw.ask(::redis::cmd("XPENDING").arg(NORMAL).arg("fleet").arg("-").arg("+").arg(9)).await;
    raw.say(&format!("XACK {NORMAL} fleet {}", ids[0].0)).await;
    // The other one is still in hand, and stays there.
    let again = one(&queue).await;
    assert_eq!(again.message.job, jobs[0]);
    assert_eq!((suite::ready(&queue).await, in_flight(&queue).await), (0, 2));
    let receipts: Vec<_> = held.into_iter().chain([again]).map(|one| one.receipt).collect();
    queue.ack(&receipts).await.unwrap();
    assert_eq!((suite::ready(&queue).await, in_flight(&queue).await), (0, 0));
}

/// B12.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_is_trimmed_under_load_hands_out_nothing_twice_and_keeps_nothing_in_hand() {
    let url = shared();
    let (queue, mut raw) = (queue(&url).await, Raw::of(&url).await);
    let receivers: Vec<_> = (0..4)
        .map(|turn| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let (mut mine, wait): (Vec<JobId>, _) = (Vec::new(), Duration::from_secs(2));
                loop {
                    let shutdown = Shutdown::new();
                    let some = queue.receive(Kind::Transcode, turn, 5, wait, &shutdown).await;
                    let some = some.unwrap();
                    if some.is_empty() {
                        return mine;
                    }
                    mine.extend(some.iter().map(|delivery| delivery.message.job));
                    let receipts: Vec<_> = some.into_iter().map(|one| one.receipt).collect();
                    queue.ack(&receipts).await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..100 {
        assert!(send(&queue, &[Priority::Normal; 20]).await.1.error.is_none());
        raw.say(&format!("XTRIM {NORMAL} MAXLEN 10")).await;
    }
    let mut all = Vec::new();
    for receiver in receivers {
        all.extend(receiver.await.unwrap());
    }
    let different: HashSet<_> = all.iter().collect();
    assert!(different.len() == all.len() && !all.is_empty(), "some came twice");
    assert_eq!((suite::ready(&queue).await, in_flight(&queue).await), (0, 0));
}

/// B10: `DEBUG RELOAD`.
#[tokio::test]
async fn what_is_in_hand_is_in_hand_after_a_reload() {
    let server = Redis::start_with(&[("enable-debug-command", "yes")]);
    let queue = queue(&server.url(0)).await;
    let (job, rest) = (ring(&queue).await, ring(&queue).await);
    let held = one(&queue).await;
    assert_eq!(held.message.job, job);
    Raw::of(&server.url(0)).await.say("DEBUG RELOAD").await;
    assert_eq!((suite::ready(&queue).await, in_flight(&queue).await), (1, 1));
    assert_eq!(one(&queue).await.message.job, rest);
    queue.ack(&[held.receipt]).await.unwrap();
    assert_eq!((suite::ready(&queue).await, in_flight(&queue).await), (0, 1));
}

#[tokio::test]
async fn a_message_that_was_given_back_goes_to_the_end_of_its_lane() {
    let queue = queue(&shared()).await;
    let jobs = [ring(&queue).await, ring(&queue).await, ring(&queue).await];
    queue.release(&[one(&queue).await.receipt]).await.unwrap();
    let order = [one(&queue).await, one(&queue).await, one(&queue).await];
    let order: Vec<_> = order.iter().map(|delivery| delivery.message.job).collect();
    assert_eq!(order, [jobs[1], jobs[2], jobs[0]]);
}
