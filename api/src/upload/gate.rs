use std::sync::Arc;

use reelfleet_job::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    config::ApiConfig,
    http::{PerUser, Place},
    problem::{Answer, Problem, codes},
    state::AppState,
};

/// Admits so many uploads at a time.
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    users: PerUser,
}

/// One admitted upload. Dropping it lets the next one in.
pub(super) struct Pass {
    /// Uploads that the same user has under way, this one counted.
    pub(super) of_user: u32,
    state: AppState,
    place: Option<(OwnedSemaphorePermit, Place)>,
}

impl Gate {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        Self {
            places: Arc::new(Semaphore::new(config.max_uploads_at_once as usize)),
            users: PerUser::new(u32::MAX),
        }
    }

    /// Takes a place without waiting: a client that waits holds a connection.
    pub(super) fn enter(state: &AppState, user: UserId) -> Answer<Pass> {
        let gate = &state.gate;
        let places = Arc::clone(&gate.places).try_acquire_owned().ok();
        let (Some(permit), Some((place, of_user))) = (places, gate.users.take(user)) else {
            return Err(Problem::new(
                &codes::TOO_MANY_UPLOADS,
                "Too many uploads are under way. Try again in a moment.",
            )
            .retry_after(5));
        };
        state.metrics.uploads_in_flight(gate.users.total());
        Ok(Pass { of_user, state: state.clone(), place: Some((permit, place)) })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.place = None;
        self.state.metrics.uploads_in_flight(self.state.gate.users.total());
    }
}
