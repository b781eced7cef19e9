//! A session that keeps an old snapshot: no row that died since can be removed.

use std::time::{Duration, Instant};

use reelfleet_db::Db;
use reelfleet_job::{JobId, Kind, Lane, UserId, WorkerId};

use super::{pool, url};
use crate::suite;

/// As many as three minutes at 50 a second, and some.
const JOBS: usize = 10_000;
const BATCH: usize = 500;

/// Jobs that are sent, received, claimed, acknowledged and closed. How long one took to be
/// received and claimed, while the others waited.
async fn round(db: &Db, owner: UserId) -> Duration {
    let jobs = suite::noops(owner, BATCH);
    db.submit_jobs(&jobs, true).await.unwrap();
    let (lanes, worker) = (Lane::of(Kind::Noop), WorkerId::generate());
    let began = Instant::now();
    let first = db.receive_messages(&lanes, 1, suite::LEASE).await.unwrap();
    let job = jobs[0].id;
    assert!(db.claim(job, worker, suite::LEASE).await.unwrap().is_some());
    let took = began.elapsed();
    let limit = u32::try_from(BATCH).unwrap();
    let rest = db.receive_messages(&lanes, limit, suite::LEASE).await.unwrap();
    assert_eq!(first.len() + rest.len(), BATCH);
    let receipts: Vec<_> = first.iter().chain(&rest).map(|message| message.receipt).collect();
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    assert_eq!(db.claim_some(&ids, worker, suite::LEASE).await.unwrap().len(), BATCH - 1);
    db.ack_messages(&receipts).await.unwrap();
    let claims: Vec<_> = ids.into_iter().map(|id| (id, 1)).collect();
    assert_eq!(db.close_some_done(&claims).await.unwrap().len(), BATCH);
    took
}

/// B14: by the number of dead rows, not by the minutes that they take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_stay_quick_while_a_session_keeps_an_old_snapshot() {
    let url = url();
    let db = Db::open(&url).await.unwrap();
    db.migrate().await.unwrap();
    let owner = suite::user(&db, "a@example.com").await;
    let mut old = pool(&url).await.begin().await.unwrap();
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        .execute(&mut *old)
        .await
        .unwrap();
    let seen = "SELECT count(*) FROM jobs";
    let before: i64 = sqlx::query_scalar(seen).fetch_one(&mut *old).await.unwrap();
    let mut took = Vec::new();
    for _ in 0..JOBS / BATCH {
        took.push(round(&db, owner).await);
    }
    // Its snapshot is as old as it was.
    let after: i64 = sqlx::query_scalar(seen).fetch_one(&mut *old).await.unwrap();
    assert_eq!((before, after), (0, 0));
    // It took up to 0.2 s after 30,000 jobs, on a machine that was busy with other things.
    let bound = Duration::from_secs(1);
    assert!(took.iter().all(|took| *took < bound), "{took:?}");
}
