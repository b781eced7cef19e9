mod rolling;

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use reelfleet_db::{Db, Topic};

use crate::suite::{self, conforms};

async fn open(folder: &Path) -> Db {
    let db = Db::open(&format!("sqlite:{}/test.db", folder.display())).await.unwrap();
    db.migrate().await.unwrap();
    db
}

async fn fresh() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    (folder, db)
}

conforms!(fresh);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// A newer version keeps what an older one wrote.
#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_with_all_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}/test.db", folder.path().display())).await.unwrap();
    let pool = pool(folder.path()).await;
    suite::first_of(&MIGRATIONS).run(&pool).await.unwrap();
    let run = async |statement| {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    };
    suite::brought_up(&db, run).await;
}

/// C11: a newer version migrates while this one runs.
#[tokio::test]
async fn every_statement_goes_on_when_its_table_has_a_column_more() {
    let (folder, db) = fresh().await;
    let pool = pool(folder.path()).await;
    let run = async |statement| {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    };
    suite::wider::goes_on_with_a_column_more(&db, &MIGRATIONS, run).await;
}

/// C9: clock skew.
#[tokio::test]
async fn a_period_is_not_taken_again_after_the_clock_was_set_back_nor_waited_for_for_ever() {
    let (folder, db) = fresh().await;
    let pool = pool(folder.path()).await;
    let moved = async |statement| {
        sqlx::query(statement).execute(&pool).await.unwrap();
    };
    suite::clock_set_back(&db, moved).await;
}

#[tokio::test]
async fn a_failure_counts_for_a_quarter_of_an_hour() {
    let (folder, db) = fresh().await;
    let pool = pool(folder.path()).await;
    let moved = async |statement| {
        sqlx::query(statement).execute(&pool).await.unwrap();
    };
    suite::failures_grow_old(&db, moved).await;
}

#[tokio::test]
async fn a_database_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}/test.db", folder.path().display())).await.unwrap();
    let said = db.check().await.unwrap_err().to_string();
    assert_eq!(said, "the database's schema does not fit this version: there is none yet");
    db.migrate().await.unwrap();
    db.check().await.unwrap();
    db.migrate().await.unwrap();
}

#[tokio::test]
async fn a_schema_that_no_migration_leads_from_is_refused_in_plain_words() {
    for (change, said) in [
        (
            "UPDATE _sqlx_migrations SET checksum = x'00'",
            "it was made by a development version. Start with a new database.",
        ),
        (
            "UPDATE _sqlx_migrations SET version = 9999 WHERE version = 2",
            "it was made by a development version. Start with a new database.",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path()).await;
        sqlx::query(change).execute(&pool(folder.path()).await).await.unwrap();
        let said = format!("the database's schema does not fit this version: {said}");
        assert_eq!(db.check().await.unwrap_err().to_string(), said);
        assert_eq!(db.migrate().await.unwrap_err().to_string(), said);
    }
}

/// The database beside our back.
async fn pool(folder: &Path) -> sqlx::SqlitePool {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("test.db"));
    sqlx::SqlitePool::connect_with(options).await.unwrap()
}

const FILES: [&str; 3] = ["test.db", "test.db-wal", "test.db-shm"];

fn assert_private(folder: &Path) {
    for name in FILES {
        let mode = std::fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn only_its_owner_reads_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    suite::user(&db, "a@example.com").await;
    assert_private(folder.path());
}

#[tokio::test]
async fn a_database_that_others_could_read_is_its_owners_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    suite::user(&db, "a@example.com").await;
    for name in FILES {
        let wide = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(folder.path().join(name), wide).unwrap();
    }
    let _again = open(folder.path()).await;
    assert_private(folder.path());
}

#[tokio::test]
async fn opening_a_database_again_leaves_the_locks_that_this_process_has_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let _db = open(folder.path()).await;
    let inode = std::fs::metadata(folder.path().join("test.db")).unwrap().ino();
    let locks = || {
        let all = std::fs::read_to_string("/proc/locks").unwrap();
        all.lines().filter(|line| line.contains(&format!(":{inode} "))).count()
    };
    assert!(locks() > 0, "an open database is locked");
    let _again = open(folder.path()).await;
    assert!(locks() > 0, "the second opening dropped the locks of the first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_another_connection_wakes_every_waiter() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (open(folder.path()).await, open(folder.path()).await);
    let first = one.wakeup(Topic::Changes).await.unwrap();
    let waiters = [first.another(), first];
    let user = suite::user(&two, "a@example.com").await;
    for mut waiter in waiters {
        let woken = tokio::time::timeout(
            std::time::Duration::from_secs(20),
            waiter.wait(std::time::Duration::from_secs(600)),
        );
        woken.await.unwrap_or_else(|_| panic!("no wake-up after user {user} was made"));
    }
}

/// B21 and C11: a kind of a newer version. A row as only a newer version would write it.
#[tokio::test]
async fn a_job_that_this_version_cannot_read_is_dead_and_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    let (odd, good) = {
        let odd = suite::queued(&db).await;
        (odd.clone(), suite::submit(&db, &suite::new_video(odd.owner)).await)
    };
    sqlx::query("UPDATE jobs SET payload = '{\"kind\":\"hologram\"}' WHERE id = ?")
        .bind(odd.job.to_string())
        .execute(&pool(folder.path()).await)
        .await
        .unwrap();
    let worker = reelfleet_job::WorkerId::generate();
    assert!(db.claim(odd.job, worker, suite::LEASE).await.unwrap().is_none());
    let seen = db.video(odd.owner, odd.id).await.unwrap().unwrap();
    assert_eq!(seen.error.unwrap().code, "unreadable");
    let all = reelfleet_db::JobFilter { limit: 10, ..Default::default() };
    let listed: Vec<_> = db.jobs(&all).await.unwrap().rows.iter().map(|job| job.id).collect();
    assert_eq!(listed, [good.job]);
}

/// B6: who redrives is written down, once.
#[tokio::test]
async fn what_operators_do_to_a_job_is_written_down_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    let deeds = suite::operators::deeds(&db).await;
    let pool = pool(folder.path()).await;
    let written: Vec<(String, String)> =
        sqlx::query_as(suite::operators::AUDIT).fetch_all(&pool).await.unwrap();
    assert_eq!(written, deeds);
}
