//! Jobs that many callers bring at a time.

use std::{collections::HashSet, time::Duration};

use reelfleet_db::{NewJob, NewUser, Role};
use reelfleet_job::{JobId, Kind, Payload, Priority, State, UserId};
use reelfleet_queue::Intake;
use reelfleet_runtime::Shutdown;

use super::Fixture;

fn jobs(owner: UserId, count: usize) -> Vec<NewJob> {
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
    let user = NewUser {
        email: "owner@example.com".to_owned(),
        password_hash: String::new(),
        role: Role::Operator,
    };
    let owner = db.create_user(&user).await.unwrap().id;
    let intake = Intake::new(db.clone(), queue.clone());
    let mut calls = Vec::new();
    for count in (1..=3).cycle().take(40) {
        let (intake, jobs) = (intake.clone(), jobs(owner, count));
        calls.push(tokio::spawn(async move {
            let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
            intake.submit(jobs).await.unwrap();
            ids
        }));
    }
    // One caller's jobs are nobody's: the others do not suffer for it.
    let refused = intake.submit(jobs(UserId::generate(), 1));
    assert!(refused.await.is_err());
    let mut accepted = HashSet::new();
    for call in calls {
        accepted.extend(call.await.unwrap());
    }
    assert_eq!(accepted.len(), 79);
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
