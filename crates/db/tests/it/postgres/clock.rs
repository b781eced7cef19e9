//! The database's clock jumps, as a machine's does that is set right.

use reelfleet_db::{Beat, Db, Pulse, Reaped};
use reelfleet_job::RetryPolicy;

use super::{pool, url};
use crate::suite;

/// Ten minutes, which is as long as the leases here.
const JUMP_MS: i64 = 10 * 60 * 1000;

/// B16: leases are judged by the database's clock alone, and a jump of it costs a try at most.
#[tokio::test]
async fn a_clock_that_jumps_ahead_and_back_doubles_no_effect_and_loses_no_job() {
    let url = url();
    let db = Db::open(&url).await.unwrap();
    db.migrate().await.unwrap();
    let pool = pool(&url).await;
    let set_by = async |milliseconds: i64| {
        let clock = format!(
            "CREATE OR REPLACE FUNCTION now_ms() RETURNS BIGINT LANGUAGE SQL STABLE PARALLEL SAFE
             RETURN (extract(epoch FROM statement_timestamp()) * 1000)::BIGINT + {milliseconds}"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(clock)).execute(&pool).await.unwrap();
    };
    let policy = RetryPolicy::default();
    let video = suite::queued(&db).await;
    let (_, old) = suite::claim(&db, &video).await;
    set_by(JUMP_MS + 1000).await;
    assert_eq!(db.reap(&policy).await.unwrap().freed, 1);
    let (worker, new) = suite::claim(&db, &video).await;
    assert!(!db.close_done(video.job, old.epoch, &suite::finished(&video)).await.unwrap());

    // And back, beyond where it was: the lease only seems longer.
    set_by(-JUMP_MS).await;
    assert_eq!(db.reap(&policy).await.unwrap(), Reaped::default());
    let pulse = Pulse { job: video.job, epoch: new.epoch, progress: 0.5 };
    assert_eq!(db.beat(worker, suite::LEASE, &[pulse]).await.unwrap(), [Beat::Held]);
    assert_eq!(db.reap(&policy).await.unwrap(), Reaped::default());
    assert!(db.hand_back(video.job, new.epoch).await.unwrap());
    assert_eq!(db.take_due(10).await.unwrap().len(), 1, "it is due, whatever the time is");
    let (_, last) = suite::claim(&db, &video).await;
    assert!(db.close_done(video.job, last.epoch, &suite::finished(&video)).await.unwrap());
}

#[tokio::test]
async fn a_failure_counts_for_a_quarter_of_an_hour() {
    let url = url();
    let db = Db::open(&url).await.unwrap();
    db.migrate().await.unwrap();
    let pool = pool(&url).await;
    let moved = async |statement| {
        sqlx::query(statement).execute(&pool).await.unwrap();
    };
    suite::failures_grow_old(&db, moved).await;
}
