//! Puts the parts together as the environment says.

use reelfleet_api::{ApiConfig, ProfileInfo};
use reelfleet_db::{DatabaseConfig, Db};
use reelfleet_media::{Profiles, Tools};
use reelfleet_metric::{Publisher, PublisherConfig};
use reelfleet_queue::{Queue, QueueConfig};
use reelfleet_runtime::{Shutdown, Var, Vars};
use reelfleet_storage::{Storage, StorageConfig};
use reelfleet_worker::WorkerConfig;

use crate::exit::{Failure, chain};

/// Every variable that the executable reads, grouped as in `.env.example`.
pub(crate) fn all_vars() -> Vec<(&'static str, Vec<Var>)> {
    vec![
        ("Records", reelfleet_db::VARS.to_vec()),
        ("Queue", reelfleet_queue::VARS.to_vec()),
        ("Storage", reelfleet_storage::VARS.to_vec()),
        ("AWS", reelfleet_aws::VARS.to_vec()),
        ("Metrics", reelfleet_metric::VARS.to_vec()),
        ("API", ApiConfig::VARS.to_vec()),
        ("Worker", reelfleet_worker::VARS.to_vec()),
        ("Instance", reelfleet_worker::INSTANCE_VARS.to_vec()),
        ("Logs", reelfleet_runtime::TELEMETRY_VARS.to_vec()),
        ("Command line", crate::client::VARS.to_vec()),
    ]
}

/// The environment of this process, with what is in files.
pub(crate) fn environment() -> Vars {
    Vars::process(all_vars().into_iter().flat_map(|(_, vars)| vars))
}

/// Where records, messages and blobs are.
#[derive(Debug)]
pub(crate) struct PartsConfig {
    database: DatabaseConfig,
    queue: QueueConfig,
    storage: StorageConfig,
}

impl PartsConfig {
    pub(crate) fn from_vars(vars: &mut Vars) -> Self {
        Self {
            database: DatabaseConfig::from_vars(vars),
            queue: QueueConfig::from_vars(vars),
            storage: StorageConfig::from_vars(vars),
        }
    }
}

/// The parts that every role works with.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) queue: Queue,
    pub(crate) storage: Storage,
}

impl Parts {
    /// Opens what the configuration names. This version must work on the schema.
    pub(crate) async fn open(config: &PartsConfig) -> Result<Self, Failure> {
        Self::with(open_records(&config.database).await?, config).await
    }

    /// Opens what the configuration names, and brings the schema up to this version.
    pub(crate) async fn open_and_migrate(config: &PartsConfig) -> Result<Self, Failure> {
        let db = Db::connect(&config.database).await?;
        db.migrate().await?;
        Self::with(db, config).await
    }

    async fn with(db: Db, config: &PartsConfig) -> Result<Self, Failure> {
        let queue = Queue::open(&config.queue, &db).await?;
        let storage = Storage::open(&config.storage).await?;
        // Before the first blob: a storage that holds some is given to nobody.
        if let Some(foreign) = storage.take_for(db.fleet().await?).await? {
            tracing::error!("{foreign}");
        }
        Ok(Self { db, queue, storage })
    }
}

/// Begins to publish the fleet's metrics, where that is configured. Every process offers to do it, so
/// that a fleet without workers is seen as well.
pub(crate) async fn publish(config: Option<PublisherConfig>, db: &Db, shutdown: &Shutdown) {
    if let Some(config) = config {
        let publisher = Publisher::new(db.clone(), &config).await;
        tokio::spawn(publisher.run(shutdown.clone()));
    }
}

/// Opens the records. This version must work on the schema.
pub(crate) async fn open_records(config: &DatabaseConfig) -> Result<Db, Failure> {
    let db = Db::connect(config).await?;
    db.check().await.map_err(with_remedy)?;
    Ok(db)
}

/// Names the command that helps, where it does: no migration leads from another schema.
fn with_remedy(error: reelfleet_db::Error) -> Failure {
    match error {
        reelfleet_db::Error::Schema(_) => {
            Failure::unavailable(format!("{error}. Run `reelfleet migrate` first."))
        }
        error => error.into(),
    }
}

/// The profiles as the API shows them: it knows their names and nothing of media.
pub(crate) fn profile_infos(profiles: &Profiles) -> Vec<ProfileInfo> {
    profiles
        .names()
        .filter_map(|name| profiles.get(name))
        .map(|profile| ProfileInfo {
            name: profile.name.clone(),
            description: profile.description.clone(),
        })
        .collect()
}

/// Finds ffmpeg and says loudly when it cannot be confined.
pub(crate) fn tools(config: &WorkerConfig) -> Result<Tools, Failure> {
    let tools = Tools::find(&config.tools).map_err(|error| Failure::unavailable(chain(&error)))?;
    if let Some(why) = tools.degraded() {
        tracing::warn!("{why}");
    }
    Ok(tools)
}

#[cfg(test)]
mod tests {
    use reelfleet_db::Error;

    use super::*;

    #[test]
    fn a_migration_is_recommended_only_where_it_helps() {
        let said = |error| format!("{:?}", with_remedy(error));
        assert!(said(Error::Schema("there is none yet".into())).contains("reelfleet migrate"));
        assert!(!said(Error::OtherSchema("it is another".into())).contains("reelfleet migrate"));
    }
}
