//! The dead-letter queue of the `database` queue.

use std::time::Duration;

use sqlx::Row;

use super::{Postgres, millis};
use crate::{RawLetter, Result};

impl Postgres {
    pub(crate) async fn bury_letters(&self, bodies: &[String]) -> Result<()> {
        sqlx::query(
            "INSERT INTO dead_letters (body, visible_at)
             SELECT body, 0 FROM unnest($1::text[]) AS l (body) ON CONFLICT (body) DO NOTHING",
        )
        .bind(bodies)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn dead_letters(&self, limit: u32, hide: Duration) -> Result<Vec<RawLetter>> {
        let rows = sqlx::query(
            "UPDATE dead_letters SET visible_at = now_ms() + $1
              WHERE id IN (SELECT id FROM dead_letters WHERE visible_at <= now_ms()
                            ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
             RETURNING id, body",
        )
        .bind(millis(hide))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok(RawLetter { id: row.try_get("id")?, body: row.try_get("body")? }))
            .collect()
    }

    pub(crate) async fn forget_letters(&self, ids: &[i64]) -> Result<()> {
        sqlx::query("DELETE FROM dead_letters WHERE id = ANY($1)")
            .bind(ids)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn release_letters(&self, ids: &[i64]) -> Result<()> {
        sqlx::query("UPDATE dead_letters SET visible_at = 0 WHERE id = ANY($1)")
            .bind(ids)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn count_letters(&self) -> Result<u64> {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM dead_letters").fetch_one(&self.pool).await?;
        Ok(count.unsigned_abs())
    }
}
