//! Jobs that many callers bring at a time.

use std::{collections::HashSet, time::Duration};

use reelfleet_db::NewJob;
use reelfleet_job::{JobId, Kind, Payload, Priority, State, UserId, WorkerId};
use reelfleet_queue::{Intake, Wanted, submit_jobs};
use reelfleet_runtime::Shutdown;

use super::Fixture;

pub(super) fn jobs(owner: UserId, count: usize) -> Vec<NewJob> {
    let job = |_| NewJob {
        id: JobId::generate(),
        payload: Payload::Noop,
        priority: Priority::Normal,
        owner,
        max_attempts: 3,
    };
    (0..count).map(job).collect()
}

pub(crate) async fn many_callers_at_once_are_each_answered_and_each_job_rings(fixture: Fixture) {
    let Fixture { db, queue, .. } = &fixture;
    let owner = super::user(db).await;
    let intake = Intake::new(db.clone(), queue.clone());
    let there = jobs(owner, 1);
    intake.submit(there.clone()).await.unwrap();
    let mut calls = Vec::new();
    for count in (1..=3).cycle().take(40) {
        let (intake, jobs) = (intake.clone(), jobs(owner, count));
        calls.push(tokio::spawn(async move {
            let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
            intake.submit(jobs).await.unwrap();
            ids
        }));
    }
    // One caller's job is there already: the others do not suffer for it.
    assert!(intake.submit(there.clone()).await.is_err());
    let mut accepted = HashSet::from([there[0].id]);
    for call in calls {
        accepted.extend(call.await.unwrap());
    }
    assert_eq!(accepted.len(), 80);
    let (mut rung, mut turn) = (HashSet::new(), 0);
    while !rung.is_superset(&accepted) {
        turn += 1;
        let (wait, shutdown) = (Duration::from_secs(1), Shutdown::new());
        for delivery in queue.receive(Kind::Noop, turn, 500, wait, &shutdown).await.unwrap() {
            rung.insert(delivery.message.job);
            queue.ack(&[delivery.receipt]).await.unwrap();
        }
    }
    assert_eq!(rung, accepted);
    for job in accepted {
        assert_eq!(db.job(job).await.unwrap().unwrap().state, State::Queued);
    }
}

pub(crate) async fn a_worker_claims_what_is_in_its_lanes_and_leaves_nothing_there(
    fixture: Fixture,
) {
    let Fixture { db, queue, .. } = &fixture;
    let owner = super::user(db).await;
    let new = jobs(owner, 20);
    submit_jobs(db, queue, &new).await.unwrap();
    // One is taken by other means before: its message only points to it.
    let (worker, lease) = (WorkerId::generate(), Duration::from_secs(600));
    assert!(db.claim(new[7].id, WorkerId::generate(), lease).await.unwrap().is_some());
    let (mut claimed, mut turn) = (HashSet::new(), 0);
    while claimed.len() < 19 {
        let at_most = Duration::from_secs(1);
        let wanted = Wanted { kind: Kind::Noop, turn, limit: 8, at_most, worker, lease };
        let claims = queue.claim(db, &wanted, &Shutdown::new()).await.unwrap();
        assert!(claims.claimed.len() <= 8);
        queue.ack(&claims.receipts).await.unwrap();
        claimed.extend(claims.claimed.into_iter().map(|claimed| (claimed.id, claimed.epoch)));
        turn += 1;
    }
    let others = new.iter().filter(|job| job.id != new[7].id);
    assert_eq!(claimed, others.map(|job| (job.id, 1)).collect());
    let none = Wanted { kind: Kind::Noop, turn, limit: 8, at_most: Duration::ZERO, worker, lease };
    let left = queue.claim(db, &none, &Shutdown::new()).await.unwrap();
    queue.ack(&left.receipts).await.unwrap();
    assert!(left.claimed.is_empty());
    let depth = queue.depth().await.unwrap().lanes;
    assert_eq!(depth.iter().map(|depth| depth.ready + depth.in_flight).sum::<u64>(), 0);
}
