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
mod store;

use plan::{LONG, SHORT};
use stage::Backend;

/// What the seed is unless `SEED` says otherwise.
const SEED: u64 = 20261123;

fn short(backend: Backend) {
    let report = run::campaign(backend, SEED, &SHORT);
    report.assert_nothing_lost();
}

fn long(backend: Backend) {
    #[expect(clippy::disallowed_methods, reason = "who repeats a campaign names its seed")]
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let report = run::campaign(backend, seed, &LONG);
    report.write();
    report.assert_nothing_lost();
}

#[test]
fn sqlite_loses_nothing_and_does_nothing_twice() {
    short(Backend::Sqlite);
}

#[test]
fn postgres_loses_nothing_and_does_nothing_twice() {
    short(Backend::Postgres);
}

#[test]
fn redis_loses_nothing_and_does_nothing_twice() {
    short(Backend::Redis);
}

#[test]
fn sqs_loses_nothing_and_does_nothing_twice() {
    short(Backend::Sqs);
}

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
