//! `reelfleet config`: every variable with its default, in the form of a `.env` file.

use std::{io::Write, process::ExitCode};

use crate::{compose, exit::Failure};

/// Prints what `.env.example` holds.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let mut text = String::from(
        "# Every variable that reelfleet reads, with its default. Unset and empty mean the default.\n",
    );
    for (group, vars) in compose::all_vars() {
        text.push_str(&format!("\n# {group}\n"));
        for var in vars {
            text.push_str(&format!("\n# {}\n# {}={}\n", var.help, var.name, var.default));
        }
    }
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::software(format!("standard output: {error}")))?;
    Ok(ExitCode::SUCCESS)
}
