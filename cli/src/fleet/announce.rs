//! The word that `up` leaves in its folder for the commands on the same machine.

use std::{sync::Arc, time::Duration};

use reelfleet_api::{ApiConfig, issue_token};
use reelfleet_db::{Db, User};
use reelfleet_runtime::{Clock, Shutdown};

use super::home::Home;
use crate::exit::Failure;

/// How long the token in `fleet.json` holds: the commands on this machine use it until the next start.
const TOKEN_LIVES: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Where no change of the database wakes us, we look this often.
const LOOK: Duration = Duration::from_secs(5);

/// Where the fleet is, with a token for its operator.
pub(super) struct Announcement {
    pub(super) home: Arc<Home>,
    pub(super) config: ApiConfig,
    pub(super) operator: User,
    pub(super) url: String,
}

impl Announcement {
    /// Writes it down.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let token = issue_token(&self.config, &self.operator, &Clock::system(), TOKEN_LIVES);
        self.home.announce(&self.url, &token.into())
    }

    /// Writes it anew whenever another password has made the token in it void.
    pub(super) async fn keep(mut self, db: Db, shutdown: Shutdown) -> reelfleet_db::Result<()> {
        let wakeup = db.wakeup().await?;
        loop {
            tokio::select! {
                () = shutdown.drain().cancelled() => return Ok(()),
                () = wakeup.wait(LOOK) => {}
            }
            // A database that is away is looked at again; its other users say so in the log.
            let Ok(Some(operator)) = db.user(self.operator.id).await else { continue };
            if operator.token_version == self.operator.token_version {
                continue;
            }
            let before = std::mem::replace(&mut self.operator, operator);
            if let Err(failure) = self.write() {
                tracing::warn!(?failure, "the token in fleet.json is void until it can be written");
                self.operator = before;
            }
        }
    }
}
