use std::{io::Write, process::ExitCode};

use reelfleet_db::{DatabaseConfig, Db, Schema};
use reelfleet_runtime::start_telemetry;

use crate::{compose::environment, exit::Failure};

/// What `reelfleet migrate` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct MigrateArgs {
    /// Change nothing, but print two numbers: the newest migration of this version, and which one
    /// another version must know to work on this one's schema
    #[arg(long)]
    numbers: bool,
}

/// `reelfleet migrate`.
pub(crate) async fn run(args: MigrateArgs) -> Result<ExitCode, Failure> {
    if args.numbers {
        let Schema { newest, floor } = Schema::known();
        writeln!(std::io::stdout(), "{newest} {floor}")
            .map_err(|error| Failure::software(format!("standard output: {error}")))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut vars = environment();
    start_telemetry(&mut vars);
    let config = DatabaseConfig::from_vars(&mut vars);
    vars.finish()?;
    let db = Db::connect(&config).await?;
    db.migrate().await?;
    tracing::info!("this version works on the database's schema");
    Ok(ExitCode::SUCCESS)
}
