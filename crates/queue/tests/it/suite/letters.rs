//! The dead-letter queue, and that it agrees with the rows.

use reelfleet_db::Video;
use reelfleet_job::{JobId, Kind, Message, Reason, WorkerId};
use reelfleet_queue::{Compared, DeadLetters, Duty};
use tokio::time::{Instant, timeout};

use super::{Fixture, LONG, submitted};

pub(crate) async fn dead_letters_are_kept_until_they_are_forgotten(Fixture { queue, .. }: Fixture) {
    let bodies = ["one", "two, which no version wrote: {", "three"].map(str::to_owned);
    queue.bury(&bodies).await.unwrap();
    let mut letters = Vec::new();
    while letters.len() < 3 {
        letters.extend(queue.dead_letters(10).await.unwrap());
    }
    letters.sort_by(|a, b| a.body.cmp(&b.body));
    assert_eq!(
        letters.iter().map(|letter| &letter.body).collect::<Vec<_>>(),
        [&bodies[0], &bodies[2], &bodies[1]]
    );
    assert_eq!(queue.depth().await.unwrap().dead, 3, "looked at, and there all the same");
    let receipts: Vec<_> = letters.into_iter().map(|letter| letter.receipt).collect();
    queue.ack(&receipts[..1]).await.unwrap();
    queue.release(&receipts[1..]).await.unwrap();
    assert_eq!(queue.depth().await.unwrap().dead, 2);
    let mut again = Vec::new();
    while again.len() < 2 {
        again.extend(queue.dead_letters(10).await.unwrap().into_iter().map(|letter| letter.body));
    }
    again.sort();
    assert_eq!(again, [bodies[2].clone(), bodies[1].clone()]);
}

/// A job that gave up.
pub(crate) fn dead_job(fixture: &Fixture) -> impl Future<Output = JobId> {
    let (db, submitted) = (fixture.db.clone(), submitted(fixture));
    async move {
        let Video { job, .. } = submitted.await;
        let claimed = db.claim(job, WorkerId::generate(), LONG).await.unwrap().unwrap();
        let reason = Reason::new("not_a_video", "This file is not a video.");
        assert!(db.close_dead(job, claimed.epoch, &reason).await.unwrap());
        job
    }
}

/// B6: the letter goes with the redrive, and no other does.
pub(crate) async fn every_dead_job_has_a_letter_and_no_other_job_has_one(fixture: Fixture) {
    let Fixture { db, queue, .. } = &fixture;
    let job = dead_job(&fixture).await;
    let letters = DeadLetters::new(db.clone(), queue.clone());
    let duty = &mut Duty::new(db.clone(), "relay");
    assert_eq!(letters.bury(duty).await.unwrap(), 1);
    assert_eq!(letters.bury(duty).await.unwrap(), 0, "one letter is enough");
    // A body of another's stays, and a double goes.
    let double = Message::to(job, Kind::Transcode).encode();
    queue.bury(&["from somebody else".to_owned(), double]).await.unwrap();
    letters_become(&fixture, duty, 2).await;
    assert!(db.redrive(job, "operator").await.unwrap());
    letters_become(&fixture, duty, 1).await;
}

pub(crate) async fn a_letter_that_was_lost_in_the_broker_is_sent_again(fixture: Fixture) {
    let Fixture { db, queue, .. } = &fixture;
    let job = dead_job(&fixture).await;
    let letters = DeadLetters::new(db.clone(), queue.clone());
    let duty = &mut Duty::new(db.clone(), "relay");
    assert_eq!(letters.bury(duty).await.unwrap(), 1);
    for _ in 0..2 {
        letters_become(&fixture, duty, 1).await;
        assert_eq!(letters.bury(duty).await.unwrap(), 0, "it is there");
        // As a retention or a purge takes it.
        let mut all = Vec::new();
        while all.is_empty() {
            all = queue.dead_letters(10).await.unwrap();
        }
        assert_eq!(all[0].body, Message::to(job, Kind::Transcode).encode());
        queue.ack(&[all.remove(0).receipt]).await.unwrap();
        let (mut lost, until) = (0, Instant::now() + LONG);
        while lost == 0 && Instant::now() < until {
            lost = letters.compare(duty).await.unwrap().lost;
        }
        assert_eq!(lost, 1);
        assert_eq!(letters.bury(duty).await.unwrap(), 1);
    }
    letters_become(&fixture, duty, 1).await;
}

/// Compares until nothing is left to do, and there are so many letters. Some brokers count what
/// they hold a moment late.
async fn letters_become(Fixture { db, queue, .. }: &Fixture, duty: &mut Duty, count: u64) {
    let letters = DeadLetters::new(db.clone(), queue.clone());
    let compared = async {
        loop {
            let came_to = letters.compare(duty).await.unwrap();
            letters.bury(duty).await.unwrap();
            let dead = queue.depth().await.unwrap().dead;
            if came_to == Compared::default() && dead == count {
                return;
            }
        }
    };
    timeout(LONG, compared).await.unwrap();
}
