//! What takes minutes rather than seconds: `make model`.
//!
//! Without arguments: larger sizes of the model, thousands of storms, and the comparison with the
//! database by thousands of seeds. With a number: the storms of that seed only.

#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::time::Instant;

use reelfleet_model::{
    Checked, Config, Harm, Result, Rules, Size, Tally, check, same, simulate, sqlite,
};

const LARGE: Size = Size { jobs: 500, workers: 8, hands: 3, steps: 30 };
const SMALL: Size = Size { jobs: 20, workers: 3, hands: 2, steps: 40 };
const SEEDS: u64 = 2000;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    if let Some(seed) = std::env::args().nth(1) {
        for size in [SMALL, LARGE] {
            println!("{}", simulate(seed.parse()?, size, Rules::default()).await?);
        }
        return Ok(());
    }
    storms(SMALL, SEEDS).await?;
    storms(LARGE, 20).await?;
    agree().await?;
    tokio::task::spawn_blocking(exhaust).await?
}

/// Storms by seeds, as many at once as there are cores to expect.
async fn storms(size: Size, seeds: u64) -> Result<()> {
    let began = Instant::now();
    let run = |first| async move {
        let mut all = Tally::default();
        for seed in (first..=seeds).step_by(2) {
            all += simulate(seed, size, Rules::default()).await?;
        }
        Result::Ok(all)
    };
    let (one, two) = (tokio::spawn(run(1)), tokio::spawn(run(2)));
    let mut all = one.await??;
    all += two.await??;
    let took = began.elapsed().as_secs_f64();
    println!("{seeds} storms over {} jobs each, {took:.0} s: {all}", size.jobs);
    Ok(())
}

async fn agree() -> Result<()> {
    let (_folder, db) = sqlite().await?;
    let (mut effects, seeds) = (0, 1000);
    for seed in 1..=seeds {
        effects += same(&db, seed, 60, Rules::default()).await?;
    }
    println!(
        "{seeds} seeds of 60 calls: the model and SQLite agree, {effects} calls changed a row"
    );
    Ok(())
}

fn exhaust() -> Result<()> {
    let one = |worker_of, max_attempts, messages, harm| Config {
        rules: Rules::default(),
        worker_of,
        max_attempts,
        messages,
        harm,
        nameless: true,
    };
    holds(check::<1, 2>(one([0, 1], 2, 2, Harm::ALL), 2))?;
    holds(check::<1, 2>(one([0, 0], 2, 2, Harm::ALL), 2))?;
    holds(check::<1, 2>(one([0, 1], 3, 3, Harm { messages: true, ..Harm::DEATHS }), 2))?;
    holds(check::<2, 2>(one([0, 1], 1, 1, Harm::NONE), 2))
}

fn holds(checked: Checked) -> Result<()> {
    println!("{checked}");
    if checked.broken.is_empty() { Ok(()) } else { Err("a property does not hold".into()) }
}
