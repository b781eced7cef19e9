//! Whose records these are.

use reelfleet_job::FleetId;

use super::Sqlite;
use crate::{Error, Result};

impl Sqlite {
    pub(crate) async fn fleet(&self) -> Result<FleetId> {
        let known: Option<String> =
            sqlx::query_scalar("SELECT id FROM fleet").fetch_optional(&self.read).await?;
        let id = match known {
            Some(id) => id,
            None => {
                // Of several that ask at once, one makes it.
                sqlx::query("INSERT INTO fleet (one, id) VALUES (1, ?) ON CONFLICT DO NOTHING")
                    .bind(FleetId::generate().to_string())
                    .execute(&self.write)
                    .await?;
                sqlx::query_scalar("SELECT id FROM fleet").fetch_one(&self.write).await?
            }
        };
        id.parse().map_err(Error::damaged)
    }
}
