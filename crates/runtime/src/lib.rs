//! What every process needs from its surroundings, passed in and never global:
//! environment, clock, shutdown, backoff and telemetry.
//!
//! ```text
//! environment ─► Vars ─► each crate's Config        signals ─► Shutdown {drain, abort} ─► every loop
//! system time ─► Clock ─► whoever needs "now"       events  ─► telemetry ─► standard error
//! ```
//!
//! ```
//! use reelfleet_runtime::{Var, Vars};
//!
//! const CONCURRENCY: Var = Var::new("WORKER_CONCURRENCY", "1", "Jobs at a time.");
//! let mut vars = Vars::of([("WORKER_CONCURRENCY", "two")]);
//! let _one: u32 = vars.parse(&CONCURRENCY);
//! let problems = vars.finish().unwrap_err();
//! assert!(problems.to_string().contains("WORKER_CONCURRENCY"));
//! ```

mod backoff;
mod clock;
mod env;
mod shutdown;
mod telemetry;

pub use backoff::Backoff;
pub use clock::{Clock, Timestamp};
pub use env::{BadConfig, Var, Vars};
pub use shutdown::Shutdown;
pub use telemetry::{LogFormat, VARS as TELEMETRY_VARS, start as start_telemetry};
