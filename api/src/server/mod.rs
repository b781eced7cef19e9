//! Connections: how many, how long they may idle, how they end.

mod accept;
mod connection;
mod patient;

use std::net::SocketAddr;

use reelfleet_db::{Db, Topic};
use reelfleet_queue::Queue;
use reelfleet_runtime::{Clock, Shutdown};
use reelfleet_storage::Storage;
use tokio::net::TcpListener;

use crate::{config::ApiConfig, router::router, state::AppState};

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Everything that the API works with.
#[derive(Debug)]
pub struct Api {
    config: ApiConfig,
    db: Db,
    queue: Queue,
    storage: Storage,
    clock: Clock,
}

/// Why the API could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database cannot be watched.
    #[error(transparent)]
    Db(#[from] reelfleet_db::Error),
}

impl Api {
    /// An API over records, queue and storage that are open already.
    #[must_use]
    pub fn new(config: ApiConfig, db: Db, queue: Queue, storage: Storage, clock: Clock) -> Self {
        Self { config, db, queue, storage, clock }
    }
}

/// Serves until the drain has begun and the requests under way are answered.
///
/// Event streams end at once, uploads under way get a bounded time, nothing new
/// is accepted. The abort ends all of it at once.
///
/// # Errors
///
/// The database cannot be watched.
pub async fn serve(listener: TcpListener, api: Api, shutdown: Shutdown) -> Result<(), ServeError> {
    let Api { config, db, queue, storage, clock } = api;
    let wakeup = db.wakeup(Topic::Changes).await?;
    let state = AppState::new(config, db, queue, storage, clock, shutdown.clone());
    let changes = state.changes.clone();
    let watching = changes.watch(wakeup, &shutdown);
    let accepting = accept::accept(listener, router(&state), &state);
    tokio::join!(watching, accepting);
    Ok(())
}
