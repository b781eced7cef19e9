//! C11: versions side by side.

use reelfleet_db::{Db, Schema};
use reelfleet_servers::NextRelease;

use super::{open, pool};
use crate::suite::{self, conforms};

/// Makes the next version's schema.
async fn next_release(pool: &sqlx::SqlitePool) {
    let next = NextRelease::SQLITE;
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
async fn fresh() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await);
    next_release(&pool(folder.path()).await).await;
    let db = open(folder.path()).await;
    (folder, db)
}

conforms!(fresh);

/// C11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_goes_on_under_the_next_ones_schema_until_that_takes_something_away() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/test.db", folder.path().display());
    let open = async || Db::open(&url).await.unwrap();
    // Not before the first process: that makes the file.
    let run = async |raise: bool| {
        let pool = pool(folder.path()).await;
        if raise {
            sqlx::query(NextRelease::RAISE).execute(&pool).await.unwrap();
        } else {
            next_release(&pool).await;
        }
    };
    suite::rolling::goes_on(open, async || run(false).await, async || run(true).await).await;
}

/// The one that a database says, and the one by which releases are compared before they meet it.
#[tokio::test]
async fn the_migrations_leave_the_floor_that_a_version_says_it_has() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await);
    let pool = pool(folder.path()).await;
    let floor: i64 =
        sqlx::query_scalar("SELECT migration FROM schema_floor").fetch_one(&pool).await.unwrap();
    assert_eq!(floor, Schema::known().floor);
}
