//! Whose records these are.

use reelfleet_job::FleetId;
use uuid::Uuid;

use super::Postgres;
use crate::Result;

impl Postgres {
    pub(crate) async fn fleet(&self) -> Result<FleetId> {
        let known: Option<Uuid> =
            sqlx::query_scalar("SELECT id FROM fleet").fetch_optional(&self.pool).await?;
        if let Some(id) = known {
            return Ok(id.into());
        }
        // Of several that ask at once, one makes it.
        sqlx::query("INSERT INTO fleet (one, id) VALUES (1, $1) ON CONFLICT DO NOTHING")
            .bind(Uuid::from(FleetId::generate()))
            .execute(&self.pool)
            .await?;
        let id: Uuid = sqlx::query_scalar("SELECT id FROM fleet").fetch_one(&self.pool).await?;
        Ok(id.into())
    }
}
