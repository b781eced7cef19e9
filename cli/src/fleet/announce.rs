//! The word that `up` leaves in its folder for the commands on the same machine.

use std::{sync::Arc, time::Duration};

use reelfleet_api::{ApiConfig, issue_token};
use reelfleet_db::{Db, Role, User};
use reelfleet_runtime::{Clock, Shutdown};

use super::home::Home;
use crate::exit::Failure;

/// How long the token in `fleet.json` holds: the commands on this machine use it until the next start.
const TOKEN_LIVES: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How soon another password of the operator is noticed.
const LOOK: Duration = Duration::from_secs(3);

/// Where the fleet is, with a token for its operator.
pub(super) struct Announcement {
    pub(super) home: Arc<Home>,
    pub(super) config: ApiConfig,
    pub(super) operator: User,
    pub(super) url: String,
    /// The last look failed, and that was said.
    pub(super) failing: bool,
}

impl Announcement {
    /// Writes it down.
    pub(super) async fn write(&self) -> Result<(), Failure> {
        self.write_for(&self.operator).await
    }

    async fn write_for(&self, operator: &User) -> Result<(), Failure> {
        let token = issue_token(&self.config, operator, &Clock::system(), TOKEN_LIVES);
        let (home, url) = (Arc::clone(&self.home), self.url.clone());
        tokio::task::spawn_blocking(move || home.announce(&url, &token.into()))
            .await
            .map_err(Failure::software)?
    }

    /// Writes it anew whenever another password has made the token in it void, until the drain.
    pub(super) async fn keep(mut self, db: Db, shutdown: Shutdown) {
        while shutdown.sleep(LOOK).await {
            if let Some(failure) = self.look(&db).await {
                tracing::warn!(?failure, "fleet.json cannot be kept: the token in it may be void");
            }
        }
    }

    /// Looks once, and returns why that failed, unless the look before failed as well: one
    /// warning is enough until it works again.
    async fn look(&mut self, db: &Db) -> Option<Failure> {
        let failure = self.renew(db).await.err();
        let before = std::mem::replace(&mut self.failing, failure.is_some());
        failure.filter(|_| !before)
    }

    async fn renew(&mut self, db: &Db) -> Result<(), Failure> {
        let account = db.user(self.operator.id).await?;
        let operator = match account.filter(|account| account.role == Role::Operator) {
            Some(operator) => Some(operator),
            // Gone, or a user's by now: the commands are for any operator.
            None => db.first_operator().await?,
        };
        let operator = operator.ok_or_else(|| Failure::unavailable("there is no operator"))?;
        let current = (operator.id, operator.token_version);
        if current == (self.operator.id, self.operator.token_version) {
            return Ok(());
        }
        self.write_for(&operator).await?;
        self.operator = operator;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use reelfleet_db::NewUser;

    use super::*;

    #[tokio::test]
    async fn another_password_renews_the_token_and_a_failure_is_told_once_until_it_works_again() {
        let folder = tempfile::tempdir().unwrap();
        let (records, data) = (folder.path().join("records.db"), folder.path().join("data"));
        let db = Db::open(&format!("sqlite:{}", records.display())).await.unwrap();
        db.migrate().await.unwrap();
        let new =
            NewUser { email: "a@b".into(), password_hash: String::new(), role: Role::Operator };
        let operator = db.create_user(&new).await.unwrap();
        let home = Arc::new(Home::take(&data).unwrap());
        let config = ApiConfig::new("q8Zr1vN0xk3Tt7Yw5uJm2Lc9Hb6Ds4Pf".into(), Vec::new());
        let url = "http://127.0.0.1:1".to_owned();
        let mut kept = Announcement { home, config, operator, url, failing: false };
        kept.write().await.unwrap();
        let file = || std::fs::read_to_string(data.join("fleet.json")).unwrap();
        let first = file();

        std::fs::remove_file(data.join("fleet.json")).unwrap();
        assert!(kept.look(&db).await.is_none());
        assert!(!data.join("fleet.json").exists(), "written without need");
        db.change_password(&kept.operator, "hash").await.unwrap().unwrap();
        assert!(kept.look(&db).await.is_none());
        let second = file();
        assert_ne!(second, first);

        for password in ["one", "another"] {
            let now = db.user(kept.operator.id).await.unwrap().unwrap();
            db.change_password(&now, password).await.unwrap().unwrap();
            std::fs::rename(&data, folder.path().join("away")).unwrap();
            assert!(kept.look(&db).await.is_some(), "nothing was said");
            assert!(kept.look(&db).await.is_none(), "said twice");
            std::fs::rename(folder.path().join("away"), &data).unwrap();
            assert!(kept.look(&db).await.is_none());
            assert_eq!(
                kept.operator.token_version,
                db.user(now.id).await.unwrap().unwrap().token_version
            );
        }
        assert_ne!(file(), second);

        // Somebody makes a user of the operator: first there is none, then another one.
        let demoted =
            NewUser { email: "a@b".into(), password_hash: "hash".into(), role: Role::User };
        db.take_over(&demoted).await.unwrap();
        assert!(kept.look(&db).await.is_some(), "a user's token is no operator's");
        let other = NewUser { email: "c@d".into(), role: Role::Operator, ..demoted };
        let other = db.create_user(&other).await.unwrap();
        assert!(kept.look(&db).await.is_none());
        assert_eq!(kept.operator.id, other.id);
    }
}
