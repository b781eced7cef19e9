//! How much is read for a batch, by the server's own counters.

use std::time::Duration;

use reelfleet_db::Db;
use reelfleet_job::{Kind, Lane, WorkerId};
use sqlx::PgPool;

use super::url;
use crate::suite;

const JOBS: usize = 20_000;
const BATCH: u32 = 500;
const BATCHES: usize = 3;

/// One connection beside ours.
async fn alone(url: &str) -> PgPool {
    let one = sqlx::postgres::PgPoolOptions::new().max_connections(1);
    one.connect(&format!("{url}?application_name=test")).await.unwrap()
}

/// A server counts for each connection by itself, and adds up when that ends.
async fn end_all_others(pool: &PgPool) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                  AND backend_type = 'client backend'";
    tokio::time::timeout(Duration::from_secs(30), async {
        while sqlx::query_scalar::<_, i64>(end).fetch_one(pool).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("connections end");
}

async fn entries_read(pool: &PgPool, index: &str) -> i64 {
    sqlx::query_scalar("SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = $1")
        .bind(index)
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn rows_read_in_order(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'jobs'")
        .fetch_one(pool)
        .await
        .unwrap()
}

/// A plan is kept: here from a time when there were hardly any jobs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_grows_is_not_read_from_end_to_end() {
    let url = url();
    let db = Db::open(&url).await.unwrap();
    db.migrate().await.unwrap();
    let server = alone(&url).await;
    let owner = suite::user(&db, "a@example.com").await;
    for _ in 0..1_000 {
        let jobs = suite::noops(owner, 2);
        db.submit_jobs(&jobs, false).await.unwrap();
        let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
        db.mark_sent(&ids).await.unwrap();
        db.claim_some(&ids, WorkerId::generate(), suite::LEASE).await.unwrap();
        let claims: Vec<_> = ids.into_iter().map(|id| (id, 1)).collect();
        assert_eq!(db.close_some_done(&claims).await.unwrap().len(), 2);
    }
    drop(db);
    end_all_others(&server).await;
    let read = rows_read_in_order(&server).await;
    assert!(read < 20_000, "{read} rows were read for 2,000 jobs");
}

/// Nobody has counted the tables yet: a backlog that came at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_a_long_queue_reads_no_more_than_the_batch() {
    let url = url();
    let db = Db::open(&url).await.unwrap();
    db.migrate().await.unwrap();
    let server = alone(&url).await;
    let owner = suite::user(&db, "a@example.com").await;
    for _ in 0..JOBS / 1_000 {
        db.submit_jobs(&suite::noops(owner, 1_000), true).await.unwrap();
    }
    drop(db);
    end_all_others(&server).await;
    let before = entries_read(&server, "messages_pkey").await;

    // Each statement's first times on a connection, when it is planned anew for its values.
    let db = Db::open(&url).await.unwrap();
    let (lanes, worker) = (Lane::of(Kind::Noop), WorkerId::generate());
    let mut claimed = Vec::new();
    for _ in 0..BATCHES {
        claimed.extend(db.claim_next(&lanes, BATCH, worker, suite::LEASE).await.unwrap().claimed);
    }
    assert_eq!(claimed.len(), BATCHES * BATCH as usize);
    let more: Vec<_> = suite::noops(owner, 1).iter().map(|job| job.id).collect();
    db.mark_sent(&more).await.unwrap();
    assert!(db.claim_some(&more, worker, suite::LEASE).await.unwrap().is_empty());
    drop(db);
    end_all_others(&server).await;

    let read = entries_read(&server, "messages_pkey").await - before;
    // Each message is looked up once more when it goes.
    let most = i64::try_from(4 * claimed.len()).unwrap();
    assert!(read <= most, "{read} entries of messages were read for {} jobs", claimed.len());
    let queued = entries_read(&server, "jobs_queued").await;
    assert_eq!(queued, 0, "ids were looked up among all that are queued");
}

/// Nobody has counted the tables yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_thousand_finished_jobs_only_the_last_are_read() {
    let url = url();
    let db = Db::open(&url).await.unwrap();
    db.migrate().await.unwrap();
    let server = alone(&url).await;
    let owner = suite::user(&db, "a@example.com").await;
    sqlx::query(
        "WITH done AS (INSERT INTO jobs (id, kind, payload, priority, state, owner, run_at, max_attempts, created_at, started_at, finished_at)
            SELECT gen_random_uuid(), 'transcode', '', 'normal', 'done', $1, n, 3, n, n, n + 1000
              FROM generate_series(1, 100000) AS n RETURNING id, created_at)
         INSERT INTO videos (id, owner, job, title, profile, source_bytes, fingerprint, created_at)
         SELECT id, $1, id, '', 'web', 10, '', created_at FROM done",
    )
    .bind(uuid::Uuid::from(owner))
    .execute(&server)
    .await
    .unwrap();
    suite::submit(&db, &suite::new_video(owner)).await;
    drop(db);
    end_all_others(&server).await;
    let read = async || {
        let tuples =
            "SELECT (sum(seq_tup_read) + sum(idx_tup_fetch))::bigint FROM pg_stat_user_tables
                       WHERE relname IN ('jobs', 'videos')";
        sqlx::query_scalar::<_, i64>(tuples).fetch_one(&server).await.unwrap()
    };
    let before = read().await;

    let db = Db::open(&url).await.unwrap();
    for _ in 0..BATCHES {
        let work = db.work(Duration::from_secs(60)).await.unwrap();
        assert_eq!((work.waiting_jobs(), work.done.len()), (1, 300));
    }
    drop(db);
    end_all_others(&server).await;
    let read = read().await - before;
    // Each of the last 300 in both tables, and few others.
    let most = i64::try_from(BATCHES * 1_000).unwrap();
    assert!(read <= most, "{read} rows were read for {BATCHES} looks");
}
