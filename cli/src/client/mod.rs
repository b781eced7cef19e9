//! The half of the executable that talks to a fleet over HTTP.
//!
//! ```text
//! arguments ─► connect (url, token) ─► http ─► api        values ─► render ─► stdout
//!              submit ─► upload ─► watch (SSE, else polling) ─► progress ─► stderr
//! ```

mod check;
mod connect;
mod dead;
mod failure;
#[cfg(test)]
mod fake;
mod health;
mod http;
mod interrupt;
mod jobs;
mod progress;
mod queue;
mod render;
mod screen;
mod sign_in;
mod sse;
mod submit;
mod upload;
mod view;
mod watch;

use std::process::ExitCode;

use reelfleet_runtime::Vars;

pub(crate) use connect::{DATA, URL, VARS};

use failure::{EXIT_CODES, Failure};
use screen::Screen;

/// What a command comes back with.
type Result<T, E = Failure> = std::result::Result<T, E>;

// The commands that talk to a fleet. Not a doc comment: flattened into the
// commands of the executable, it would become the text of their help.
// What is said of exit codes lands in their help in the same way, on purpose.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXIT_CODES)]
pub(crate) enum ClientCommand {
    /// Upload videos; with --wait, stay until they are ready
    Submit(submit::SubmitArgs),
    /// List jobs, the newest first
    Jobs(jobs::JobsArgs),
    /// Explain one job: why it waits, its attempts, its last error, its expected end
    Job(jobs::JobArgs),
    /// Cancel a job or a video
    Cancel(jobs::CancelArgs),
    /// Show what waits, who works, and how long it takes to drain
    Queue(queue::QueueArgs),
    /// The jobs that gave up: look, try again, or discard
    #[command(subcommand)]
    Dead(dead::DeadCommand),
    /// Send jobs that do nothing through the fleet, and wait until they are done
    Check(check::CheckArgs),
    /// Print a new link that signs in to the console once
    SignIn(sign_in::SignInArgs),
    /// Exit 0 if the API can take work, else 1
    Healthcheck(health::HealthArgs),
}

/// Runs one command to its end. It blocks: call it from outside of any async runtime.
pub(crate) fn run(command: ClientCommand) -> ExitCode {
    let mut screen = Screen::standard();
    match obey(command, &mut screen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(sentence) = failure.sentence() {
                screen.note(&sentence);
            }
            failure.exit_code()
        }
    }
}

fn obey(command: ClientCommand, screen: &mut Screen) -> Result<()> {
    let vars = &Vars::process(VARS.iter().copied());
    vars.check().map_err(|wrong| Failure::Config(wrong.to_string()))?;
    match command {
        ClientCommand::Submit(args) => submit::run(args, vars, screen),
        ClientCommand::Jobs(args) => jobs::list(&args, vars, screen),
        ClientCommand::Job(args) => jobs::explain(&args, vars, screen),
        ClientCommand::Cancel(args) => jobs::cancel(&args, vars, screen),
        ClientCommand::Queue(args) => queue::run(&args, vars, screen),
        ClientCommand::Dead(command) => dead::run(command, vars, screen),
        ClientCommand::Check(args) => check::run(&args, vars, screen),
        ClientCommand::SignIn(args) => sign_in::run(&args, vars, screen),
        ClientCommand::Healthcheck(args) => health::run(&args, vars, screen),
    }
}
