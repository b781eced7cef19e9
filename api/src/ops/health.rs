use std::time::Duration;

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    problem::{Answer, Problem, codes, problems},
    state::AppState,
};

/// Whoever asks gives up soon after; a slow "no" is a "no".
const PATIENCE: Duration = Duration::from_secs(5);

/// How the process is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct StatusBody {
    /// `alive` or `ready`.
    status: &'static str,
}

problems!(ReadyProblems: NOT_READY);

/// Whether the process is alive.
#[utoipa::path(get, path = "/health", tag = "operations",
    responses((status = 200, description = "Alive.", body = StatusBody)))]
pub(crate) async fn health() -> Json<StatusBody> {
    Json(StatusBody { status: "alive" })
}

/// Whether the process can take work: database, storage and disk.
#[utoipa::path(get, path = "/ready", tag = "operations",
    responses((status = 200, description = "Ready.", body = StatusBody), ReadyProblems))]
pub(crate) async fn ready(State(state): State<AppState>) -> Answer<Json<StatusBody>> {
    match tokio::time::timeout(PATIENCE, missing(&state)).await {
        Ok(None) => Ok(Json(StatusBody { status: "ready" })),
        Ok(Some(what)) => Err(not_ready(what)),
        Err(_elapsed) => Err(not_ready("The database or the storage is too slow.")),
    }
}

/// What keeps the process from taking work.
async fn missing(state: &AppState) -> Option<&'static str> {
    if state.shutdown.is_draining() {
        return Some("The server is about to stop.");
    }
    if let Err(error) = state.db.check().await {
        tracing::warn!(%error, "not ready: the database");
        return Some("The database is not available.");
    }
    match state.storage.check().await {
        Ok(()) => {}
        Err(reelfleet_storage::Error::DiskFull) => return Some("There is no space left."),
        Err(error) => {
            tracing::warn!(%error, "not ready: the storage");
            return Some("The storage is not available.");
        }
    }
    let free = state.storage.free_bytes().await.unwrap_or(Some(0));
    let full = free.is_some_and(|free| free < state.config.min_free_disk_bytes);
    full.then_some("There is too little space left.")
}

fn not_ready(detail: &'static str) -> Problem {
    Problem::new(&codes::NOT_READY, detail).retry_after(5)
}
