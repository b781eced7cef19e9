//! What it costs to record jobs, to do them, and to pick one up, without the work itself.
//!
//! ```text
//! enqueue-one N       one caller, one call after another
//! enqueue-conc N C    C callers at a time
//! enqueue-bulk N B    B jobs a call
//! drain N             one worker process does N jobs that are there: first claim to last close
//! pickup N            one job each 15 to 35 ms: from before the call to after the claim, in the
//!                     log of a worker process that had nothing to do
//! ```
//!
//! Database and queue are what the environment names, as for the executable; `pickup` and `drain`
//! want a database without other jobs. Every job is a row, and is recorded, claimed and closed as
//! in a fleet. One line of JSON comes out.

mod path;
mod worker;

use std::{
    io::Write,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use path::Path;
use serde_json::{Value, json};
use worker::Worker;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Not counted: the first ones make the connections.
const WARM_UP: usize = 20;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    // As in a server: calls come from tasks of the runtime, not from a thread beside it.
    tokio::spawn(measure()).await?
}

async fn measure() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words.get(at).map_or(Ok(1), |word| word.parse::<usize>());
    let (count, size) = (number(1)?, number(2)?);
    let path = Path::open().await?;
    let metric = words.first().map_or("", String::as_str);
    let report = match metric {
        "enqueue-one" => enqueue(&path, count, 1).await?,
        "enqueue-conc" => enqueue(&path, count, size).await?,
        "enqueue-bulk" => {
            path.empty().await?;
            let began = Instant::now();
            for first in (0..count).step_by(size) {
                path.record(size.min(count - first)).await?;
            }
            rate(count, began.elapsed().as_secs_f64())
        }
        "drain" => drain(count).await?,
        "pickup" => pick_up(&path, count).await?,
        _ => return Err(format!("what is `{metric}`?").into()),
    };
    let mut line = json!({ "peer": "reelfleet", "metric": metric, "n": count });
    if let (Some(line), Value::Object(report)) = (line.as_object_mut(), report) {
        line.extend(report);
    }
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn rate(count: usize, seconds: f64) -> Value {
    json!({ "secs": seconds, "rate": count as f64 / seconds })
}

/// Each caller makes its next call when the last one was answered.
async fn enqueue(path: &Path, count: usize, callers: usize) -> Result<Value> {
    path.empty().await?;
    let began = Instant::now();
    let calls: Vec<_> = (0..callers)
        .map(|caller| {
            let path = path.clone();
            tokio::spawn(async move {
                for _ in (caller..count).step_by(callers) {
                    path.submit().await?;
                }
                Result::Ok(())
            })
        })
        .collect();
    for call in calls {
        call.await??;
    }
    Ok(rate(count, began.elapsed().as_secs_f64()))
}

async fn drain(count: usize) -> Result<Value> {
    let mut worker = Worker::start().await?;
    let (mut first, mut last, mut done) = (None, Timestamp::MIN, 0);
    while done < count {
        let line = worker.next().await?;
        match line.what {
            worker::What::Claimed => {
                first.get_or_insert(line.at);
            }
            worker::What::Closed => (last, done) = (line.at, done + line.jobs),
        }
    }
    worker.stop().await?;
    let first = first.ok_or("nothing was claimed")?;
    Ok(rate(count, last.duration_since(first).as_secs_f64()))
}

async fn pick_up(path: &Path, count: usize) -> Result<Value> {
    path.empty().await?;
    let mut worker = Worker::start().await?;
    let mut waits = Vec::with_capacity(count);
    for nth in 0..count + WARM_UP {
        let began = Timestamp::now();
        path.submit().await?;
        let claimed = worker.next_of(worker::What::Claimed).await?;
        if nth >= WARM_UP {
            waits.push(claimed.at.duration_since(began).as_secs_f64() * 1e3);
        }
        worker.next_of(worker::What::Closed).await?;
        tokio::time::sleep(Duration::from_millis(rand::random_range(15..35))).await;
    }
    worker.stop().await?;
    waits.sort_by(f64::total_cmp);
    let at = |share: usize| waits.get(waits.len() * share / 100).copied();
    Ok(json!({ "p50_ms": at(50), "p99_ms": at(99), "max_ms": waits.last() }))
}
