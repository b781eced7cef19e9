//! The model's row and the databases' are the same machine: by the same calls, in orders that
//! seeds decide, they give the same answers and come to the same states.

use reelfleet_db::Db;
use reelfleet_model::{Rule, Rules, same, sqlite};
use reelfleet_servers::Postgres;

const CALLS: usize = 40;

async fn agree(db: &Db, seeds: u64) {
    let mut effects = 0;
    for seed in 1..=seeds {
        effects += same(db, seed, CALLS, Rules::default()).await.unwrap();
    }
    println!(
        "{seeds} seeds of {CALLS} calls: {effects} changed a row, and every answer was the same"
    );
    assert!(effects as u64 > seeds * 10, "{effects} effects prove little");
}

#[tokio::test]
async fn sqlite_is_the_models_machine() {
    let (_folder, db) = sqlite().await.unwrap();
    agree(&db, 200).await;
}

/// The comparison notices a guard that one side lacks.
#[tokio::test]
async fn a_row_without_a_guard_is_told_apart() {
    const BROKEN: [&[Rule]; 4] = [
        &[Rule::EpochIsChecked],
        &[Rule::ClaimTakesQueued],
        &[Rule::LeaseIsChecked],
        &[Rule::CancelIsChecked],
    ];
    for broken in BROKEN {
        let (_folder, db) = sqlite().await.unwrap();
        let mut told = None;
        for seed in 1..=100 {
            if let Err(error) = same(&db, seed, CALLS, Rules::but(broken)).await {
                told = error.to_string().lines().next().map(str::to_owned);
                break;
            }
        }
        let told = told.unwrap_or_else(|| panic!("100 seeds did not notice {broken:?}"));
        println!("without {broken:?}: {told}");
        assert!(told.contains("the model says"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_the_models_machine() {
    let server = Postgres::start();
    let db = Db::open(&server.create("model")).await.unwrap();
    db.migrate().await.unwrap();
    agree(&db, 60).await;
}
