//! Chaos campaigns: one fleet a backend, jobs and videos sent to it all the while, and processes
//! that are killed, frozen and cut off under it. What was accepted must end, once.
//!
//! ```text
//! load ──► cut ──► api ×2 ──┐
//!                  worker ×3 ┴──► cut ──► broker, database     a seeded plan of faults hits all of it
//! ```
//!
//! Short ones run with `make test`. `make chaos` runs those that the results are of, and writes
//! `e2e/results/chaos-*.json`; `make chaos SEED=7` goes another way.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod cut;
mod load;
mod plan;
mod report;
mod role;
mod run;
mod stage;
mod unasked;
mod zombie;

use std::time::{SystemTime, UNIX_EPOCH};

use plan::{LONG, LONG_ON_SQLITE, SHORT};
use stage::Backend;

/// What the seed is unless `SEED` says otherwise.
const SEED: u64 = 20261123;

/// The database runs on this machine and has the same clock.
fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "compared with times in rows")]
    let now = SystemTime::now();
    i64::try_from(now.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn short(backend: Backend) {
    let report = run::campaign(backend, SEED, &SHORT);
    report.assert_nothing_lost();
}

fn long(backend: Backend) {
    #[expect(clippy::disallowed_methods, reason = "who repeats a campaign names its seed")]
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let size = if matches!(backend, Backend::Sqlite) { &LONG_ON_SQLITE } else { &LONG };
    let report = run::campaign(backend, seed, size);
    report.write();
    report.assert_nothing_lost();
}

/// A1, B1, B2, B15 and B18: processes are killed and frozen, five of them on one file.
#[test]
fn sqlite_loses_nothing_and_does_nothing_twice() {
    short(Backend::Sqlite);
}

/// A1, B1, B2, B9, B13 and B18: as above, with replies that are lost and restarts of the server.
#[test]
fn postgres_loses_nothing_and_does_nothing_twice() {
    short(Backend::Postgres);
}

/// A1, A2, B1, B2, B9, B13 and B18: as above, of the broker.
#[test]
fn redis_loses_nothing_and_does_nothing_twice() {
    short(Backend::Redis);
}

/// A1, A2, B1, B2, B13 and B18: as above, and the broker forgets everything.
#[test]
fn sqs_loses_nothing_and_does_nothing_twice() {
    short(Backend::Sqs);
}

/// A1, A2, B1, B2, B9, B13 and B18: as above.
#[test]
fn rabbitmq_loses_nothing_and_does_nothing_twice() {
    short(Backend::RabbitMq);
}

#[test]
#[ignore = "a long campaign: make chaos"]
fn a_long_campaign_on_sqlite() {
    long(Backend::Sqlite);
}

#[test]
#[ignore = "a long campaign: make chaos"]
fn a_long_campaign_on_postgres() {
    long(Backend::Postgres);
}

#[test]
#[ignore = "a long campaign: make chaos"]
fn a_long_campaign_on_redis() {
    long(Backend::Redis);
}

#[test]
#[ignore = "a long campaign: make chaos"]
fn a_long_campaign_on_sqs() {
    long(Backend::Sqs);
}

#[test]
#[ignore = "a long campaign: make chaos"]
fn a_long_campaign_on_rabbitmq() {
    long(Backend::RabbitMq);
}
