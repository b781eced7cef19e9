//! The model's row and the databases' are the same machine: by the same calls, in orders that
//! seeds decide, they give the same answers and come to the same states.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "how much was compared is worth reading")]

use reelfleet_db::Db;
use reelfleet_model::{same, sqlite};
use reelfleet_servers::Postgres;

const CALLS: usize = 40;

async fn agree(db: &Db, seeds: u64) {
    let mut effects = 0;
    for seed in 1..=seeds {
        effects += same(db, seed, CALLS).await.unwrap();
    }
    println!("{seeds} seeds of {CALLS} calls: {effects} changed a row, and every answer was the same");
    assert!(effects as u64 > seeds * 10, "{effects} effects prove little");
}

#[tokio::test]
async fn sqlite_is_the_models_machine() {
    let (_folder, db) = sqlite().await.unwrap();
    agree(&db, 250).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_the_models_machine() {
    let server = Postgres::start();
    let db = Db::open(&server.create("model")).await.unwrap();
    db.migrate().await.unwrap();
    agree(&db, 60).await;
}
