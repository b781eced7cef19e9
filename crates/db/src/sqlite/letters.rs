//! Dead jobs and their letters, and the dead-letter queue of the `database` queue.

use std::time::Duration;

use reelfleet_job::{JobId, Kind};
use serde_json::json;
use sqlx::Row;

use super::{Sqlite, decode, millis, now};
use crate::{RawLetter, Result};

impl Sqlite {
    pub(crate) async fn unburied(&self, limit: u32) -> Result<Vec<(JobId, Kind)>> {
        let rows = sqlx::query(
            "SELECT id, kind FROM jobs WHERE state = 'dead' AND message_at IS NULL ORDER BY id LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(|row| Ok((decode::id(row, "id")?, decode::word(row, "kind")?))).collect()
    }

    pub(crate) async fn mark_buried(&self, jobs: &[JobId]) -> Result<()> {
        sqlx::query(concat!(
            "UPDATE jobs SET message_at = ",
            now!(),
            " WHERE id IN (SELECT value FROM json_each(?)) AND state = 'dead'"
        ))
        .bind(json!(jobs).to_string())
        .execute(&self.write)
        .await?;
        Ok(())
    }

    pub(crate) async fn unmark_buried(&self, seen: &[JobId], sent_before: Duration) -> Result<u64> {
        // What was sent in the future was sent before the clock was set back.
        let lost = sqlx::query(concat!(
            "UPDATE jobs SET message_at = NULL
              WHERE state = 'dead' AND message_at NOT BETWEEN ",
            now!(),
            " - ?1 AND ",
            now!(),
            " AND id NOT IN (SELECT value FROM json_each(?2))"
        ))
        .bind(millis(sent_before))
        .bind(json!(seen).to_string())
        .execute(&self.write)
        .await?;
        Ok(lost.rows_affected())
    }

    pub(crate) async fn dead_of(&self, jobs: &[JobId]) -> Result<Vec<JobId>> {
        let rows = sqlx::query(
            "SELECT id FROM jobs WHERE state = 'dead' AND id IN (SELECT value FROM json_each(?))",
        )
        .bind(json!(jobs).to_string())
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(|row| decode::id(row, "id")).collect()
    }

    pub(crate) async fn bury_letters(&self, bodies: &[String]) -> Result<()> {
        sqlx::query(
            "INSERT INTO dead_letters (body, visible_at)
             SELECT value, 0 FROM json_each(?) WHERE true ON CONFLICT (body) DO NOTHING",
        )
        .bind(json!(bodies).to_string())
        .execute(&self.write)
        .await?;
        Ok(())
    }

    pub(crate) async fn dead_letters(&self, limit: u32, hide: Duration) -> Result<Vec<RawLetter>> {
        let rows = sqlx::query(concat!(
            "UPDATE dead_letters SET visible_at = ",
            now!(),
            " + ? WHERE id IN (SELECT id FROM dead_letters WHERE visible_at <= ",
            now!(),
            " ORDER BY id LIMIT ?) RETURNING id, body"
        ))
        .bind(millis(hide))
        .bind(limit)
        .fetch_all(&self.write)
        .await?;
        rows.iter()
            .map(|row| Ok(RawLetter { id: row.try_get("id")?, body: row.try_get("body")? }))
            .collect()
    }

    pub(crate) async fn forget_letters(&self, ids: &[i64]) -> Result<()> {
        sqlx::query("DELETE FROM dead_letters WHERE id IN (SELECT value FROM json_each(?))")
            .bind(json!(ids).to_string())
            .execute(&self.write)
            .await?;
        Ok(())
    }

    pub(crate) async fn release_letters(&self, ids: &[i64]) -> Result<()> {
        sqlx::query(
            "UPDATE dead_letters SET visible_at = 0 WHERE id IN (SELECT value FROM json_each(?))",
        )
        .bind(json!(ids).to_string())
        .execute(&self.write)
        .await?;
        Ok(())
    }

    pub(crate) async fn count_letters(&self) -> Result<u64> {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM dead_letters").fetch_one(&self.read).await?;
        Ok(count.unsigned_abs())
    }
}
