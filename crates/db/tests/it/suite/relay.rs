use std::time::Duration;

use reelfleet_db::{Db, RawSend};
use reelfleet_job::{JobId, Kind, Lane, Reason};

use super::{LEASE, claim, new_video, noops, queued, submit, user};

pub(crate) async fn a_due_job_without_a_message_is_taken_once(db: Db) {
    let video = queued(&db).await;
    let due = db.take_due(10).await.unwrap();
    assert_eq!(due.iter().map(|due| due.job).collect::<Vec<_>>(), [video.job]);
    assert_eq!(due[0].lane.to_string(), "transcode-normal");
    assert!(db.take_due(10).await.unwrap().is_empty());
    // It could not be sent.
    db.unmark_sent(&[video.job]).await.unwrap();
    assert_eq!(db.take_due(10).await.unwrap().len(), 1);
    // Sent long ago, and its lane is one of those that were named: the message counts as lost.
    let [high, normal, low] = Lane::of(Kind::Transcode);
    loop {
        assert!(db.take_lost(10, LEASE, &[normal]).await.unwrap().is_empty());
        assert!(db.take_lost(10, Duration::ZERO, &[high, low]).await.unwrap().is_empty());
        if db.take_lost(10, Duration::ZERO, &[normal]).await.unwrap().len() == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
    claim(&db, &video).await;
    assert!(db.take_lost(10, Duration::ZERO, &[normal]).await.unwrap().is_empty());
    assert!(db.take_due(10).await.unwrap().is_empty());
}

/// B2: a late acknowledgement.
pub(crate) async fn a_message_in_hand_is_hidden_and_an_old_receipt_does_nothing(db: Db) {
    let video = queued(&db).await;
    let lanes = Lane::of(Kind::Transcode);
    db.send_messages(&[message(lanes[1], video.job)]).await.unwrap();
    let first = db.receive_messages(&lanes, 10, LEASE).await.unwrap().remove(0);
    assert_eq!(first.body, "body");
    assert!(db.receive_messages(&lanes, 10, LEASE).await.unwrap().is_empty());
    let depth = db.lane_depths().await.unwrap();
    assert_eq!((depth[0].lane, depth[0].ready, depth[0].in_flight), (lanes[1], 0, 1));

    db.release_messages(&[first.receipt]).await.unwrap();
    let second = db.receive_messages(&lanes, 10, LEASE).await.unwrap().remove(0);
    assert_eq!(second.receipt.job, first.receipt.job);
    db.ack_messages(&[first.receipt]).await.unwrap();
    db.release_messages(&[first.receipt]).await.unwrap();
    assert_eq!(db.lane_depths().await.unwrap()[0].in_flight, 1);
    db.ack_messages(&[second.receipt]).await.unwrap();
    assert!(db.lane_depths().await.unwrap().is_empty());

    db.send_messages(&[message(lanes[1], video.job)]).await.unwrap();
    assert_eq!(db.receive_messages(&lanes, 10, LEASE).await.unwrap().len(), 1);
    db.ack_messages(&[first.receipt, second.receipt]).await.unwrap();
    assert_eq!(db.lane_depths().await.unwrap()[0].in_flight, 1);
}

pub(crate) async fn a_message_that_waits_in_a_long_queue_is_not_lost(db: Db) {
    let video = queued(&db).await;
    let lanes = Lane::of(Kind::Transcode);
    db.send_messages(&[message(lanes[1], video.job)]).await.unwrap();
    db.mark_sent(&[video.job]).await.unwrap();
    let in_hand = db.receive_messages(&lanes, 1, Duration::ZERO).await.unwrap().remove(0);
    for _ in 0..20 {
        assert!(db.take_lost(10, Duration::ZERO, &lanes).await.unwrap().is_empty());
    }
    // Rung anew, it cannot be acknowledged away by whoever had it in hand before.
    db.send_messages(&[message(lanes[1], video.job)]).await.unwrap();
    db.ack_messages(&[in_hand.receipt]).await.unwrap();
    assert_eq!(db.receive_messages(&lanes, 1, LEASE).await.unwrap().len(), 1);
}

pub(crate) async fn a_second_message_for_a_job_is_the_same_message(db: Db) {
    let video = queued(&db).await;
    let lanes = Lane::of(Kind::Transcode);
    db.send_messages(&[message(lanes[0], video.job)]).await.unwrap();
    db.send_messages(&[message(lanes[0], video.job)]).await.unwrap();
    assert_eq!(db.lane_depths().await.unwrap()[0].ready, 1);
}

pub(crate) async fn a_letter_that_was_sent_before_and_not_seen_is_to_be_sent_again(db: Db) {
    let seen = queued(&db).await;
    let lost = submit(&db, &new_video(seen.owner)).await;
    let unsent = submit(&db, &new_video(seen.owner)).await;
    let redriven = submit(&db, &new_video(seen.owner)).await;
    for video in [&seen, &lost, &unsent, &redriven] {
        let (_, claimed) = claim(&db, video).await;
        db.close_dead(video.job, claimed.epoch, &Reason::new("x", "y")).await.unwrap();
    }
    db.mark_buried(&[seen.job, lost.job, redriven.job]).await.unwrap();
    db.redrive(redriven.job, "ada").await.unwrap();
    db.mark_sent(&[redriven.job]).await.unwrap();
    assert_eq!(db.unmark_buried(&[seen.job], LEASE).await.unwrap(), 0, "they were just sent");
    while db.unmark_buried(&[seen.job], Duration::ZERO).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    let jobs = db.unburied(10).await.unwrap().into_iter().map(|(job, _)| job).collect::<Vec<_>>();
    assert_eq!(jobs, [lost.job, unsent.job]);
    assert!(db.take_due(10).await.unwrap().is_empty(), "a message is no letter");
    db.mark_buried(&jobs).await.unwrap();
    // Nothing was seen at all.
    while db.unburied(10).await.unwrap().len() < 3 {
        db.unmark_buried(&[], Duration::ZERO).await.unwrap();
    }
}

fn message(lane: Lane, job: JobId) -> RawSend {
    RawSend { lane, job, body: "body".to_owned() }
}

pub(crate) async fn jobs_are_recorded_with_their_messages_or_without(db: Db) {
    let owner = user(&db, "owner@example.com").await;
    let (with, without) = (noops(owner, 3), noops(owner, 2));
    db.submit_jobs(&with, true).await.unwrap();
    let lanes = Lane::of(Kind::Noop);
    let received = db.receive_messages(&lanes, 10, LEASE).await.unwrap();
    assert_eq!(received.len(), 3);
    assert!(db.take_due(10).await.unwrap().is_empty());

    db.submit_jobs(&without, false).await.unwrap();
    assert!(db.receive_messages(&lanes, 10, LEASE).await.unwrap().is_empty());
    let mut due: Vec<_> = db.take_due(10).await.unwrap().iter().map(|due| due.job).collect();
    due.sort();
    assert_eq!(due, without.iter().map(|job| job.id).collect::<Vec<_>>());

    // All or none: one of them is there already.
    let mut again = noops(owner, 2);
    again.push(with[0].clone());
    assert!(db.submit_jobs(&again, true).await.is_err());
    assert!(db.job(again[0].id).await.unwrap().is_none());
}
