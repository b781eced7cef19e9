use reelfleet_db::{Db, RawSend};
use reelfleet_job::{Kind, Lane, WorkerId};

use super::{LEASE, noops, user};

pub(crate) async fn messages_are_taken_and_their_jobs_claimed_in_one_go(db: Db) {
    let owner = user(&db, "owner@example.com").await;
    let new = noops(owner, 30);
    db.submit_jobs(&new, true).await.unwrap();
    let (lanes, worker) = (Lane::of(Kind::Noop), WorkerId::generate());
    // A job that another worker has: its message is taken out all the same.
    assert!(db.claim(new[2].id, WorkerId::generate(), LEASE).await.unwrap().is_some());
    let mut taken = Vec::new();
    for expected in [20, 10, 0] {
        let next = db.claim_next(&lanes, 20, worker, LEASE).await.unwrap();
        assert_eq!(next.messages, expected);
        taken.extend(next.claimed);
    }
    assert!(db.lane_depths().await.unwrap().is_empty());
    assert!(taken.iter().all(|claimed| claimed.epoch == 1));
    let mut ids: Vec<_> = taken.iter().map(|claimed| claimed.id).collect();
    ids.sort();
    let mut others: Vec<_> = new.iter().map(|job| job.id).filter(|id| *id != new[2].id).collect();
    others.sort();
    assert_eq!(ids, others);
}

/// A message that was in another hand stands before those that were taken since.
pub(crate) async fn a_released_message_is_taken_however_many_came_after_it(db: Db) {
    let owner = user(&db, "owner@example.com").await;
    let new = noops(owner, 12);
    db.submit_jobs(&new, true).await.unwrap();
    let (lanes, worker) = (Lane::of(Kind::Noop), WorkerId::generate());
    let in_hand = db.receive_messages(&lanes, 1, LEASE).await.unwrap().remove(0);
    assert_eq!(db.claim_next(&lanes, 10, worker, LEASE).await.unwrap().claimed.len(), 10);
    db.release_messages(&[in_hand.receipt]).await.unwrap();
    let mut left = 0;
    while left < 2 {
        let next = db.claim_next(&lanes, 10, worker, LEASE).await.unwrap();
        assert!(next.messages > 0, "one was passed over");
        left += next.claimed.len();
    }
}

/// The same job is asked for by many at once, by either way.
pub(crate) async fn a_job_is_claimed_once_by_whichever_way(db: Db) {
    let owner = user(&db, "owner@example.com").await;
    let new = noops(owner, 40);
    db.submit_jobs(&new, true).await.unwrap();
    let ids: Vec<_> = new.iter().map(|job| job.id).collect();
    let lane = Lane::of(Kind::Noop)[2];
    let mut claims = Vec::new();
    for nth in 0..6 {
        let (db, ids) = (db.clone(), ids.clone());
        claims.push(tokio::spawn(async move {
            let worker = WorkerId::generate();
            if nth % 2 == 0 {
                return db.claim_some(&ids, worker, LEASE).await.unwrap().len();
            }
            let again: Vec<_> = ids
                .iter()
                .map(|job| RawSend { lane, job: *job, body: "body".to_owned() })
                .collect();
            let mut claimed = 0;
            for _ in 0..4 {
                let next = db.claim_next(&[lane], 10, worker, LEASE).await.unwrap();
                claimed += next.claimed.len();
                db.send_messages(&again).await.unwrap();
            }
            claimed
        }));
    }
    let mut claimed = 0;
    for claim in claims {
        claimed += claim.await.unwrap();
    }
    assert_eq!(claimed, 40);
}
