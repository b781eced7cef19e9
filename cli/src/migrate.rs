use std::process::ExitCode;

use reelfleet_db::{DatabaseConfig, Db};
use reelfleet_runtime::start_telemetry;

use crate::{compose::environment, exit::Failure};

/// `reelfleet migrate`.
pub(crate) async fn run() -> Result<ExitCode, Failure> {
    let mut vars = environment();
    start_telemetry(&mut vars);
    let config = DatabaseConfig::from_vars(&mut vars);
    vars.finish()?;
    let db = Db::connect(&config).await?;
    db.migrate().await?;
    db.check().await?;
    tracing::info!("the database's schema is this version's");
    Ok(ExitCode::SUCCESS)
}
