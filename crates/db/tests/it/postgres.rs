use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

mod bells;
mod clock;
mod faults;
mod locks;
mod plans;
mod rolling;
mod snapshot;

use reelfleet_db::{DatabaseConfig, Db, RawSend, Topic, Wakeup};
use reelfleet_job::{JobId, Kind, Lane, Priority};
use reelfleet_runtime::Vars;
use reelfleet_servers::Postgres;

use crate::suite::{self, conforms};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

const WORK: Topic = Topic::Work(Kind::Transcode);

/// One server for all tests here; each has a database of its own.
static SERVER: LazyLock<Postgres> = LazyLock::new(Postgres::start);

fn url() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    SERVER.create(&format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

async fn fresh() -> ((), Db) {
    let db = Db::open(&url()).await.unwrap();
    db.migrate().await.unwrap();
    ((), db)
}

conforms!(fresh);

/// The database beside our back, under another name than ours.
async fn pool(url: &str) -> sqlx::PgPool {
    sqlx::PgPool::connect(&format!("{url}?application_name=test")).await.unwrap()
}

/// With so many connections.
async fn with_connections(url: &str, count: u32) -> Db {
    let most = count.to_string();
    let mut vars = Vars::of([("DATABASE_URL", url), ("DB_MAX_CONNECTIONS", &most)]);
    Db::connect(&DatabaseConfig::from_vars(&mut vars)).await.unwrap()
}

/// Messages for so many jobs.
fn messages(count: usize) -> Vec<RawSend> {
    let lane = Lane { kind: Kind::Transcode, priority: Priority::Normal };
    let send = || RawSend { lane, job: JobId::generate(), body: "{}".to_owned() };
    std::iter::repeat_with(send).take(count).collect()
}

/// Whether a waiter is woken in time. Without time: whether it was already.
async fn rung(wakeup: &mut Wakeup, within: Duration) -> bool {
    tokio::time::timeout(within, wakeup.wait(LONG * 10)).await.is_ok()
}

/// Sends until the waiter hears it again.
async fn hears_again(db: &Db, wakeup: &mut Wakeup) {
    let heard = async {
        // Connecting anew rings, too. Only what comes after it counts.
        for _ in 0..2 {
            while db.send_messages(&messages(1)).await.is_err()
                || !rung(wakeup, Duration::from_secs(1)).await
            {}
        }
    };
    tokio::time::timeout(LONG, heard).await.expect("a wake-up");
}

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

/// A newer version keeps what an older one wrote.
#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_with_all_it_holds() {
    let url = url();
    let db = Db::open(&url).await.unwrap();
    let pool = pool(&url).await;
    suite::first_of(&MIGRATIONS).run(&pool).await.unwrap();
    let run = async |statement| {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    };
    suite::brought_up(&db, run).await;
}

/// C11: a newer version migrates while this one runs. There is one connection.
#[tokio::test]
async fn every_statement_goes_on_when_its_table_has_a_column_more() {
    let url = url();
    let db = with_connections(&url, 1).await;
    db.migrate().await.unwrap();
    let pool = pool(&url).await;
    let run = async |statement| {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    };
    suite::wider::goes_on_with_a_column_more(&db, &MIGRATIONS, run).await;
}

/// C9: clock skew.
#[tokio::test]
async fn a_period_is_not_taken_again_after_the_clock_was_set_back_nor_waited_for_for_ever() {
    let url = url();
    let db = Db::open(&url).await.unwrap();
    db.migrate().await.unwrap();
    let pool = pool(&url).await;
    let moved = async |statement| {
        sqlx::query(statement).execute(&pool).await.unwrap();
    };
    suite::clock_set_back(&db, moved).await;
}

#[tokio::test]
async fn a_database_of_another_version_is_refused() {
    let db = Db::open(&url()).await.unwrap();
    let said = db.check().await.unwrap_err().to_string();
    assert_eq!(said, "the database's schema does not fit this version: there is none yet");
    db.migrate().await.unwrap();
    db.check().await.unwrap();
    db.migrate().await.unwrap();
}

/// B6.
#[tokio::test]
async fn what_operators_do_to_a_job_is_written_down_with_their_name() {
    let url = url();
    let db = Db::open(&url).await.unwrap();
    db.migrate().await.unwrap();
    let deeds = suite::operators::deeds(&db).await;
    let pool = pool(&url).await;
    let written: Vec<(String, String)> =
        sqlx::query_as(suite::operators::AUDIT).fetch_all(&pool).await.unwrap();
    assert_eq!(written, deeds);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_uploads_with_one_key_at_once_one_is_new() {
    let ((), db) = fresh().await;
    let owner = suite::user(&db, "a@example.com").await;
    let tries = (0..20).map(|_| {
        let db = db.clone();
        let new = reelfleet_db::NewVideo {
            idempotency_key: Some("key".to_owned()),
            ..suite::new_video(owner)
        };
        tokio::spawn(async move { db.submit_video(&new).await.unwrap() })
    });
    let tries: Vec<_> = tries.collect();
    let mut new = 0;
    let mut ids = std::collections::HashSet::new();
    for submitted in tries {
        match submitted.await.unwrap() {
            reelfleet_db::Submitted::New(video) => {
                new += 1;
                ids.insert(video.id);
            }
            reelfleet_db::Submitted::Repeated(video) => {
                ids.insert(video.id);
            }
            reelfleet_db::Submitted::KeyReused => panic!("the same upload"),
        }
    }
    assert_eq!((new, ids.len()), (1, 1));
    assert_eq!(db.unfinished_videos(owner).await.unwrap(), 1);
}
