//! C11: versions side by side.

use reelfleet_db::{Db, Schema};
use reelfleet_servers::NextRelease;
use sqlx::migrate::Migrate;

use super::{LONG, pool, url};
use crate::suite::{self, conforms};

/// Makes the next version's schema.
async fn next_release(pool: &sqlx::PgPool) {
    let next = NextRelease::POSTGRES;
    let tables: Vec<String> = sqlx::query_scalar(next.tables).fetch_all(pool).await.unwrap();
    assert!(tables.iter().any(|table| table == "jobs"), "{tables:?}");
    for table in tables {
        let column = sqlx::AssertSqlSafe(NextRelease::column(&table));
        sqlx::query(column).execute(pool).await.unwrap();
    }
    for statement in [next.table, next.note] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
}

/// This version's view of a database that the next one has made.
async fn fresh() -> ((), Db) {
    let url = url();
    Db::open(&url).await.unwrap().migrate().await.unwrap();
    next_release(&pool(&url).await).await;
    let db = Db::open(&url).await.unwrap();
    db.migrate().await.unwrap();
    ((), db)
}

conforms!(fresh);

/// C11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_goes_on_under_the_next_ones_schema_until_that_takes_something_away() {
    let url = url();
    let pool = pool(&url).await;
    let open = async || Db::open(&url).await.unwrap();
    let raise = async || {
        sqlx::query(NextRelease::RAISE).execute(&pool).await.unwrap();
    };
    suite::rolling::goes_on(open, async || next_release(&pool).await, raise).await;
}

/// The one that a database says, and the one by which releases are compared before they meet it.
#[tokio::test]
async fn the_migrations_leave_the_floor_that_a_version_says_it_has() {
    let url = url();
    Db::open(&url).await.unwrap().migrate().await.unwrap();
    let pool = pool(&url).await;
    let floor: i64 =
        sqlx::query_scalar("SELECT migration FROM schema_floor").fetch_one(&pool).await.unwrap();
    assert_eq!(floor, Schema::known().floor);
}

/// This version and the next one migrate at the same time, and the next one is faster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_while_a_newer_version_migrates_finds_it_done() {
    for raised in [false, true] {
        let url = url();
        let pool = pool(&url).await;
        let all = sqlx::migrate!("migrations/postgres");
        suite::first_of(&all).run(&pool).await.unwrap();
        let mut faster = pool.acquire().await.unwrap();
        faster.lock().await.unwrap();
        let db = Db::open(&url).await.unwrap();
        let waits = tokio::spawn(async move { db.migrate().await });
        let waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                          AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
        tokio::time::timeout(LONG, async {
            while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&pool).await.unwrap() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("it waits for its turn");

        // It has the lock already, which counts how often it was taken.
        all.run(&mut *faster).await.unwrap();
        next_release(&pool).await;
        if raised {
            sqlx::query(NextRelease::RAISE).execute(&pool).await.unwrap();
        }
        faster.unlock().await.unwrap();
        let migrated = waits.await.unwrap().map_err(|error| error.to_string());
        assert_eq!(migrated.is_ok(), !raised, "{migrated:?}");
        assert!(!raised || migrated.unwrap_err().contains("only versions that know"));
    }
}
