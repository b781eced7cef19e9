use std::process::ExitCode;

use reelfleet_db::{Db, database_url};
use reelfleet_runtime::{Vars, start_telemetry};

use crate::exit::Failure;

/// `reelfleet migrate`.
pub(crate) async fn run() -> Result<ExitCode, Failure> {
    let mut vars = Vars::process();
    start_telemetry(&mut vars);
    let url = database_url(&mut vars);
    vars.finish()?;
    let db = Db::open(&url).await?;
    db.migrate().await?;
    db.check().await?;
    tracing::info!("the database's schema is this version's");
    Ok(ExitCode::SUCCESS)
}
