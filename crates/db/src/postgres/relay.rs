//! What the relay does: finds due jobs without a message, and frees jobs whose worker is lost.

use std::time::Duration;

use reelfleet_job::{JobId, Kind, Lane, RetryPolicy, WorkerId};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{Postgres, claims::by_id, decode, millis};
use crate::{Due, Reaped, Result, Topic, lost};

/// Those of `$1` that are queued, locked in the order of their ids.
macro_rules! queued_of_these {
    () => {
        concat!(
            "(SELECT id FROM jobs WHERE id = ANY($1) AND ",
            by_id!("queued"),
            " ORDER BY id FOR UPDATE) these
              WHERE jobs.id = these.id"
        )
    };
}

impl Postgres {
    pub(crate) async fn take_due(&self, limit: u32) -> Result<Vec<Due>> {
        let rows = sqlx::query(
            "WITH due AS (SELECT id FROM jobs
                           WHERE (state = 'scheduled' AND run_at <= now_ms())
                              OR (state = 'queued' AND message_at IS NULL)
                           ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED)
             UPDATE jobs j SET state = 'queued', message_at = now_ms() WHERE j.id = ANY(ARRAY(SELECT id FROM due))
             RETURNING j.id, j.kind, j.priority",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(due).collect()
    }

    pub(crate) async fn take_lost(
        &self,
        limit: u32,
        lost_after: Duration,
        lanes: &[Lane],
    ) -> Result<Vec<Due>> {
        // A message from the time to come was sent before the clock was set back.
        let rows = sqlx::query(
            "WITH due AS (SELECT id FROM jobs
                           WHERE state = 'queued' AND (message_at < now_ms() - $1 OR message_at > now_ms())
                             AND kind || '-' || priority = ANY($2)
                             AND NOT EXISTS (SELECT 1 FROM messages m
                                              WHERE m.lane = kind || '-' || priority AND m.job = jobs.id
                                                AND m.visible_at <= now_ms() + 60000)
                           ORDER BY run_at LIMIT $3 FOR UPDATE SKIP LOCKED)
             UPDATE jobs j SET message_at = now_ms() WHERE j.id = ANY(ARRAY(SELECT id FROM due))
             RETURNING j.id, j.kind, j.priority",
        )
        .bind(millis(lost_after))
        .bind(lanes.iter().map(ToString::to_string).collect::<Vec<_>>())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(due).collect()
    }

    pub(crate) async fn mark_sent(&self, jobs: &[JobId]) -> Result<()> {
        sqlx::query(concat!("UPDATE jobs SET message_at = now_ms() FROM ", queued_of_these!()))
            .bind(jobs.iter().copied().map(Uuid::from).collect::<Vec<_>>())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn unmark_sent(&self, jobs: &[JobId]) -> Result<()> {
        sqlx::query(concat!("UPDATE jobs SET message_at = NULL FROM ", queued_of_these!()))
            .bind(jobs.iter().copied().map(Uuid::from).collect::<Vec<_>>())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn reap(&self, policy: &RetryPolicy) -> Result<Reaped> {
        self.free(None, policy).await
    }

    pub(crate) async fn reap_worker(
        &self,
        worker: WorkerId,
        policy: &RetryPolicy,
    ) -> Result<Reaped> {
        sqlx::query("UPDATE workers SET state = 'gone' WHERE id = $1")
            .bind(Uuid::from(worker))
            .execute(&self.pool)
            .await?;
        self.free(Some(worker), policy).await
    }

    /// Frees the jobs that are lost: held by `worker`, or past their lease. One that somebody
    /// else is just writing to is not lost, or is freed by the next call.
    async fn free(&self, worker: Option<WorkerId>, policy: &RetryPolicy) -> Result<Reaped> {
        let mut reaped = Reaped::default();
        let mut transaction = self.begin().await?;
        let rows = sqlx::query(
            "SELECT id, attempts, max_attempts, cancel_requested FROM jobs
              WHERE state = 'running' AND (($1::uuid IS NULL AND lease_until < now_ms()) OR worker = $1)
              ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED",
        )
        .bind(worker.map(Uuid::from))
        .fetch_all(&mut *transaction)
        .await?;
        for row in &rows {
            let verdict = lost::verdict(
                decode::count(row, "attempts")?,
                decode::count(row, "max_attempts")?,
                row.try_get("cancel_requested")?,
                policy,
            );
            verdict.count(&mut reaped);
            let reason = verdict.reason();
            sqlx::query(
                "WITH ended AS (INSERT INTO attempts (job, epoch, worker, started_at, ended_at, outcome)
                                SELECT id, epoch, worker, started_at, now_ms(), 'worker_lost' FROM jobs WHERE id = $1)
                 UPDATE jobs SET state = $2, lease_until = NULL, message_at = NULL, progress = 0,
                        run_at = CASE WHEN $3 THEN run_at ELSE now_ms() + $4 END,
                        finished_at = CASE WHEN $3 THEN now_ms() END,
                        error_code = $5, error_message = $6
                  WHERE id = $1",
            )
            .bind(row.try_get::<Uuid, _>("id")?)
            .bind(verdict.state.as_str())
            .bind(verdict.state.is_closed())
            .bind(millis(verdict.wait))
            .bind(reason.map(|(code, _)| code))
            .bind(reason.map(|(_, message)| message))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        if !rows.is_empty() {
            self.bell.ring(Topic::Changes);
        }
        Ok(reaped)
    }
}

fn due(row: &PgRow) -> Result<Due> {
    let kind: Kind = decode::word(row, "kind")?;
    let lane = Lane { kind, priority: decode::word(row, "priority")? };
    Ok(Due { job: decode::id(row, "id")?, lane })
}
