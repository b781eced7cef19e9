//! `reelfleet up`: the whole fleet on this machine.
//!
//! ```text
//! up ─┬─ API and console, relay, collector          (this process)
//!     └─ group: backlog ─► scaling::decide ─► start, drain, replace workers (child processes)
//! ```

mod announce;
mod child;
mod group;
mod home;
mod start;

use std::{path::PathBuf, process::ExitCode};

use reelfleet_runtime::Var;

use crate::exit::Failure;

/// Set for workers that `up` starts: their id, so that `up` can free their jobs when they die.
pub(crate) const WORKER_ID: Var = Var::new("REELFLEET_WORKER_ID", "", "");
/// Set for workers that `up` starts: standard input ends when `up` does.
pub(crate) const PARENT: Var = Var::new("REELFLEET_PARENT", "", "");

/// Options of `reelfleet up`.
#[derive(Debug, clap::Args)]
pub(crate) struct UpArgs {
    /// Folder for everything: records, videos, secrets.
    #[arg(
        long,
        value_name = "DIR",
        help = "Folder for everything: records, videos, secrets [default: ./data, or REELFLEET_DATA]"
    )]
    data: Option<PathBuf>,
    /// Address to listen on.
    #[arg(
        long,
        value_name = "ADDR",
        help = "Address to listen on [default: 127.0.0.1:8080, or LISTEN_ADDR]"
    )]
    listen: Option<String>,
    /// Fewest workers
    #[arg(long, value_name = "N", default_value_t = 1)]
    min: u32,
    /// Most workers [default: cores ÷ threads of one transcode]
    #[arg(long, value_name = "N")]
    max: Option<u32>,
}

/// Runs the fleet until it is told to leave.
pub(crate) async fn up(args: UpArgs) -> Result<ExitCode, Failure> {
    start::run(args).await
}
