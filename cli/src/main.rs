//! `reelfleet`: the one executable. Each subcommand is a file; this one only chooses.

mod account;
mod client;
mod compose;
mod config;
mod exit;
mod fleet;
mod migrate;
mod roles;
mod signals;

use std::{panic::resume_unwind, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::client::ClientCommand;

/// Autoscaling batch worker fleet for video.
#[derive(Debug, Parser)]
#[command(name = "reelfleet", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole fleet on this machine: API, console, and workers that scale with the backlog.
    Up(fleet::UpArgs),
    /// Run the API and console alone, configured by the environment.
    Api,
    /// Run one worker alone, configured by the environment.
    Worker,
    /// Bring the database's schema up to this version.
    Migrate(migrate::MigrateArgs),
    /// Make an account on the database, and print a link that signs it in once.
    Account(account::AccountArgs),
    /// Print every environment variable with its default, as in .env.example.
    Config,
    #[command(flatten)]
    Client(ClientCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Client(command) => client::run(command),
        Command::Up(args) => exit::of(|| on_runtime(fleet::up(args))),
        Command::Api => exit::of(|| on_runtime(roles::api())),
        Command::Worker => exit::of(|| on_runtime(roles::worker())),
        Command::Config => exit::of(config::run),
        Command::Migrate(args) => exit::of(|| on_runtime(migrate::run(args))),
        Command::Account(args) => exit::of(|| on_runtime(account::run(args))),
    }
}

fn on_runtime(
    command: impl Future<Output = Result<ExitCode, exit::Failure>> + Send + 'static,
) -> Result<ExitCode, exit::Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| exit::Failure::software(format!("the runtime cannot start: {error}")))?;
    // On the runtime's own threads: what they hear need not wake this one first.
    let command = runtime.spawn(command);
    runtime.block_on(command).unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_declared_without_contradictions() {
        super::Cli::command().debug_assert();
    }
}
