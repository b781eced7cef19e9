//! Dead jobs and their letters, and the dead-letter queue of the `database` queue.

use std::time::Duration;

use reelfleet_job::{JobId, Kind};
use sqlx::Row;
use uuid::Uuid;

use super::{Postgres, decode, millis};
use crate::{RawLetter, Result};

/// Locked in the order of their ids.
macro_rules! these_letters {
    () => {
        "(SELECT id FROM dead_letters WHERE id = ANY($1) ORDER BY id FOR UPDATE)"
    };
}

impl Postgres {
    pub(crate) async fn unburied(&self, limit: u32) -> Result<Vec<(JobId, Kind)>> {
        let rows = sqlx::query(
            "SELECT id, kind FROM jobs WHERE state = 'dead' AND message_at IS NULL ORDER BY id LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((decode::id(row, "id")?, decode::word(row, "kind")?))).collect()
    }

    pub(crate) async fn mark_buried(&self, jobs: &[JobId]) -> Result<()> {
        sqlx::query(
            "UPDATE jobs SET message_at = now_ms()
               FROM (SELECT id FROM jobs WHERE id = ANY($1) AND state = 'dead' ORDER BY id FOR UPDATE) these
              WHERE jobs.id = these.id",
        )
        .bind(uuids(jobs))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn unmark_buried(&self, seen: &[JobId], sent_before: Duration) -> Result<u64> {
        // What was sent in the future was sent before the clock was set back.
        let lost = sqlx::query(
            "UPDATE jobs SET message_at = NULL
              WHERE state = 'dead' AND message_at NOT BETWEEN now_ms() - $1 AND now_ms()
                AND id NOT IN (SELECT unnest($2::uuid[]))",
        )
        .bind(millis(sent_before))
        .bind(uuids(seen))
        .execute(&self.pool)
        .await?;
        Ok(lost.rows_affected())
    }

    pub(crate) async fn dead_of(&self, jobs: &[JobId]) -> Result<Vec<JobId>> {
        let rows = sqlx::query("SELECT id FROM jobs WHERE state = 'dead' AND id = ANY($1)")
            .bind(uuids(jobs))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| decode::id(row, "id")).collect()
    }

    pub(crate) async fn bury_letters(&self, bodies: &[String]) -> Result<()> {
        sqlx::query(
            "INSERT INTO dead_letters (body, visible_at)
             SELECT body, 0 FROM unnest($1::text[]) AS l (body) ORDER BY body ON CONFLICT (body) DO NOTHING",
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
        sqlx::query(concat!("DELETE FROM dead_letters WHERE id IN ", these_letters!()))
            .bind(ids)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn release_letters(&self, ids: &[i64]) -> Result<()> {
        sqlx::query(concat!(
            "UPDATE dead_letters SET visible_at = 0 WHERE id IN ",
            these_letters!()
        ))
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

fn uuids(jobs: &[JobId]) -> Vec<Uuid> {
    jobs.iter().copied().map(Uuid::from).collect()
}
