use std::time::Duration;

use reelfleet_queue::Depth;

use crate::state::AppState;

/// A broker that is away must not keep operators from everything else.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the broker holds; None, with a line in the log, while it is away.
pub(crate) async fn depth(state: &AppState) -> Option<Depth> {
    match tokio::time::timeout(PATIENCE, state.queue.depth()).await {
        Ok(Ok(depth)) => Some(depth),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the broker is not available");
            None
        }
        Err(_elapsed) => {
            tracing::warn!("the broker does not answer");
            None
        }
    }
}
