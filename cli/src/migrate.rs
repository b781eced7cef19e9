use std::process::ExitCode;

use reelfleet_db::{DatabaseConfig, Db};
use reelfleet_runtime::{Vars, start_telemetry};

use crate::exit::Failure;

/// `reelfleet migrate`.
pub(crate) async fn run() -> Result<ExitCode, Failure> {
    let mut vars = Vars::process();
    start_telemetry(&mut vars);
    let config = DatabaseConfig::from_vars(&mut vars);
    vars.finish()?;
    let db = Db::connect(&config).await?;
    db.migrate().await?;
    db.check().await?;
    tracing::info!("the database's schema is this version's");
    Ok(ExitCode::SUCCESS)
}
