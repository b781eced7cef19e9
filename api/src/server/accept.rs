use std::{sync::Arc, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};

use super::{Peer, connection};
use crate::state::AppState;

/// How long to wait when the system has no more file descriptors to give.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Takes connections until the drain, then waits for those that are open.
pub(super) async fn accept(listener: TcpListener, router: Router, state: &AppState) {
    let places = Arc::new(Semaphore::new(state.config.max_connections as usize));
    let mut open = JoinSet::new();
    loop {
        // Past the limit, connections wait in the system's backlog.
        let place = tokio::select! {
            () = state.shutdown.drain().cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let accepted = tokio::select! {
            () = state.shutdown.drain().cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while open.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                // Small answers must not wait for the client's acknowledgements.
                let _ = stream.set_nodelay(true);
                let (router, state) = (router.clone(), state.clone());
                open.spawn(async move {
                    connection::hold(stream, Peer(peer), router, &state).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                state.shutdown.sleep(EXHAUSTED).await;
            }
        }
    }
    drop(listener);
    tokio::select! {
        () = async { while open.join_next().await.is_some() {} } => {}
        () = tokio::time::sleep(state.config.drain_uploads) => {
            tracing::warn!(left = open.len(), "requests under way are cut off");
        }
        () = state.shutdown.abort().cancelled() => {}
    }
    open.shutdown().await;
}
