//! What only the inside can see: how long deliveries are hidden, and polls that nobody waits for.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use aws_sdk_sqs::Client;
use futures_util::FutureExt as _;
use reelfleet_job::{JobId, Kind, Lane, Message, Priority};
use reelfleet_runtime::Shutdown;
use reelfleet_servers::Ministack;

use super::*;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

async fn open(server: &Ministack, hide_secs: i32) -> Sqs {
    let aws = server.aws();
    let client = Client::new(&aws.load().await);
    for at in every_queue() {
        client.create_queue().queue_name(format!("fleet-{at}")).send().await.unwrap();
    }
    let config = SqsConfig { base_url: server.queue_url("fleet"), aws };
    Sqs::open_with(&config, hide_secs).await.unwrap()
}

async fn send(sqs: &Sqs, priority: Priority) -> JobId {
    let job = JobId::generate();
    let lane = Lane { kind: Kind::Transcode, priority };
    let sent = sqs.send(&[(lane, Message::to(job, Kind::Transcode))]).await;
    assert!(sent.error.is_none(), "{sent:?}");
    job
}

async fn receive(sqs: &Sqs, limit: u32, at_most: Duration) -> Vec<Delivery> {
    let lanes = Lane::of(Kind::Transcode);
    sqs.receive(&lanes, limit, at_most, &Shutdown::new()).await.unwrap()
}

/// Waits until this many messages are ready in all lanes, and none in anybody's hand.
async fn settled(sqs: &Sqs, ready: u64) {
    let settled = async {
        loop {
            let lanes = sqs.depth().await.unwrap().lanes;
            let now: Vec<_> = lanes.iter().map(|lane| (lane.ready, lane.in_flight)).collect();
            if now.iter().map(|(ready, _)| ready).sum::<u64>() == ready
                && now.iter().all(|(_, in_flight)| *in_flight == 0)
            {
                return;
            }
        }
    };
    // Much less than a delivery is hidden.
    let bound = Duration::from_secs(15);
    assert!(tokio::time::timeout(bound, settled).await.is_ok(), "a message stays hidden");
}

#[tokio::test]
async fn a_message_that_nobody_acknowledges_comes_again() {
    let server = Ministack::start();
    let sqs = open(&server, 1).await;
    let job = send(&sqs, Priority::Normal).await;
    for _ in 0..2 {
        let came = receive(&sqs, 1, LONG).await;
        assert_eq!(came[0].message.job, job);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_that_nobody_waits_for_gives_back_what_it_brings() {
    let server = Ministack::start();
    let sqs = open(&server, HIDE_SECS).await;
    let lanes = Lane::of(Kind::Transcode).map(At::Lane);
    // This one ends long before its polls do.
    sqs.polls.set_busy(false);
    assert!(receive(&sqs, 1, Duration::from_millis(1)).await.is_empty());
    assert_eq!(sqs.polls.under_way(), 3);
    for lane in Priority::ALL {
        send(&sqs, lane).await;
    }
    sqs.polls.ended(&lanes).await;
    settled(&sqs, 3).await;
    // And one that is dropped while it waits.
    assert!(receive(&sqs, 1, LONG).now_or_never().is_none());
    assert_eq!(sqs.polls.under_way(), 3);
    sqs.polls.ended(&lanes).await;
    settled(&sqs, 3).await;
}

#[tokio::test]
async fn what_nobody_takes_goes_back_at_once() {
    let server = Ministack::start();
    let sqs = open(&server, HIDE_SECS).await;
    for _ in 0..3 {
        send(&sqs, Priority::Normal).await;
    }
    let lane = At::Lane(Lane { kind: Kind::Transcode, priority: Priority::Normal });
    let hold = async || {
        let messages = sqs.queues().receive(lane, TEN, 0, HIDE_SECS).await.unwrap();
        Held::new(sqs.queues(), messages)
    };
    let held = hold().await;
    assert_eq!(held.len(), 3);
    drop(held);
    settled(&sqs, 3).await;
    let taken: Vec<_> = hold().await.take(&[lane], 1).into_iter().map(with_receipt).collect();
    assert_eq!(taken.len(), 1);
    sqs.ack(&[taken[0].1.clone()]).await.unwrap();
    settled(&sqs, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_exceeds_the_limit_goes_back_and_the_next_receive_takes_over_the_polls() {
    let server = Ministack::start();
    let sqs = open(&server, HIDE_SECS).await;
    for _ in 0..4 {
        sqs.polls.set_busy(false);
        let waiting = tokio::spawn({
            let sqs = sqs.clone();
            async move { receive(&sqs, 1, LONG).await }
        });
        while sqs.polls.under_way() < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(sqs.polls.under_way(), 3, "polls that are under way are taken over");
        tokio::join!(
            send(&sqs, Priority::Low),
            send(&sqs, Priority::Normal),
            send(&sqs, Priority::High)
        );
        let came = tokio::time::timeout(LONG, waiting).await.unwrap().unwrap();
        assert_eq!(came.len(), 1);
        sqs.ack(&[came.into_iter().next().unwrap().receipt]).await.unwrap();
        settled(&sqs, 2).await;
        for _ in 0..2 {
            let came = receive(&sqs, 1, LONG).await.remove(0);
            sqs.ack(&[came.receipt]).await.unwrap();
        }
        settled(&sqs, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_leaves_no_poll_behind() {
    let server = Ministack::start();
    let sqs = open(&server, HIDE_SECS).await;
    let shutdown = Shutdown::new();
    let waiting = tokio::spawn({
        let (sqs, shutdown) = (sqs.clone(), shutdown.clone());
        async move { sqs.receive(&Lane::of(Kind::Transcode), 1, LONG, &shutdown).await.unwrap() }
    });
    while sqs.polls.under_way() < 3 {
        tokio::task::yield_now().await;
    }
    shutdown.start_drain();
    send(&sqs, Priority::Low).await;
    let came = tokio::time::timeout(LONG, waiting).await.unwrap().unwrap();
    assert_eq!(sqs.polls.under_way(), 0);
    let lanes = sqs.depth().await.unwrap().lanes;
    let left: u64 = lanes.iter().map(|lane| lane.ready).sum();
    let in_flight: u64 = lanes.iter().map(|lane| lane.in_flight).sum();
    assert_eq!((left + came.len() as u64, in_flight), (1, came.len() as u64));
    // Nothing more is asked for.
    assert!(sqs.receive(&Lane::of(Kind::Transcode), 1, LONG, &shutdown).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_with_a_message_in_hand_gives_back_what_every_other_poll_brings() {
    let server = Ministack::start();
    let sqs = open(&server, HIDE_SECS).await;
    let (shutdown, lanes) = (Shutdown::new(), Lane::of(Kind::Transcode));
    sqs.polls.set_busy(false);
    let mut receiving = pin!(sqs.receive(&lanes, 1, LONG, &shutdown));
    assert!(receiving.as_mut().now_or_never().is_none());
    // One poll brings a message while the receive does not look, and then the drain begins.
    send(&sqs, Priority::Low).await;
    while sqs.polls.under_way() == 3 {
        tokio::task::yield_now().await;
    }
    shutdown.start_drain();
    let began = Instant::now();
    let (came, _, _) =
        tokio::join!(receiving, send(&sqs, Priority::High), send(&sqs, Priority::Normal));
    assert_eq!((came.unwrap().len(), sqs.polls.under_way()), (0, 0));
    assert!(began.elapsed() < Duration::from_secs(POLL_SECS + 8), "{:?}", began.elapsed());
    settled(&sqs, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_waits_for_no_poll_of_a_server_that_hangs() {
    let mut server = Ministack::start();
    let sqs = open(&server, HIDE_SECS).await;
    let (shutdown, lanes) = (Shutdown::new(), Lane::of(Kind::Transcode));
    sqs.polls.set_busy(false);
    let mut receiving = pin!(sqs.receive(&lanes, 1, LONG, &shutdown));
    assert!(receiving.as_mut().now_or_never().is_none());
    server.freeze();
    shutdown.start_drain();
    let began = Instant::now();
    let _ = receiving.await;
    assert!(began.elapsed() < Duration::from_secs(POLL_SECS + 5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_letters_are_buried_in_several_requests() {
    let server = Ministack::start();
    let sqs = open(&server, HIDE_SECS).await;
    let bodies: Vec<_> = (0..12).map(|n| format!("{n}").repeat(150_000)).collect();
    sqs.bury(&bodies).await.unwrap();
    assert_eq!(sqs.depth().await.unwrap().dead, 12);
}
