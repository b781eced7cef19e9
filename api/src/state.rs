use std::{ops::Deref, sync::Arc};

use reelfleet_db::Db;
use reelfleet_metric::Observer;
use reelfleet_queue::{Intake, Queue};
use reelfleet_runtime::{Clock, Shutdown};
use reelfleet_storage::Storage;

use crate::{
    auth::{LoginLimits, Passwords, Tokens},
    config::ApiConfig,
    http::PerUser,
    ops::Metrics,
    upload::Gate,
    video::Changes,
};

/// What every handler may reach. Clones share it.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Inner>);

/// The one state of the process.
pub(crate) struct Inner {
    pub(crate) config: ApiConfig,
    pub(crate) db: Db,
    pub(crate) queue: Queue,
    pub(crate) intake: Intake,
    pub(crate) observer: Observer,
    pub(crate) storage: Storage,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
    pub(crate) tokens: Tokens,
    pub(crate) passwords: Passwords,
    pub(crate) login_limits: LoginLimits,
    pub(crate) gate: Gate,
    pub(crate) streams: PerUser,
    pub(crate) changes: Changes,
    pub(crate) metrics: Metrics,
}

impl AppState {
    pub(crate) fn new(
        config: ApiConfig,
        db: Db,
        queue: Queue,
        storage: Storage,
        clock: Clock,
        shutdown: Shutdown,
    ) -> Self {
        Self(Arc::new(Inner {
            tokens: Tokens::new(&config),
            passwords: Passwords::new(&config),
            login_limits: LoginLimits::new(&config),
            gate: Gate::new(&config),
            streams: PerUser::new(config.max_streams_per_user),
            changes: Changes::new(),
            metrics: Metrics::new(),
            intake: Intake::new(db.clone(), queue.clone()),
            observer: Observer::new(db.clone(), config.worker_silent),
            config,
            db,
            queue,
            storage,
            clock,
            shutdown,
        }))
    }
}

impl Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
