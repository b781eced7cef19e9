//! What the relay does: finds due jobs without a message, and frees jobs whose worker is lost.

use std::time::Duration;

use reelfleet_job::{JobId, Kind, Lane, RetryPolicy, WorkerId};
use sqlx::{Row, sqlite::SqliteRow};

use super::{Sqlite, decode, millis, now};
use crate::{Due, Error, Reaped, Result, lost};

/// Queued jobs of the lanes `?2` whose message was sent longer ago than `?1`, or before the clock
/// was set back, and does not wait in the `database` queue.
macro_rules! lost {
    () => {
        concat!(
            "state = 'queued' AND message_at NOT BETWEEN ",
            now!(),
            " - ?1 AND ",
            now!(),
            " AND kind || '-' || priority IN (SELECT value FROM json_each(?2))
              AND NOT EXISTS (SELECT 1 FROM messages m
                               WHERE m.lane = kind || '-' || priority AND m.job = jobs.id AND m.visible_at <= ",
            now!(),
            " + 60000)"
        )
    };
}

impl Sqlite {
    pub(crate) async fn take_due(&self, limit: u32) -> Result<Vec<Due>> {
        // A look with a reading connection first: an idle relay writes nothing.
        let any: bool = sqlx::query_scalar(concat!(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'scheduled' AND run_at <= ",
            now!(),
            ") OR EXISTS (SELECT 1 FROM jobs WHERE state = 'queued' AND message_at IS NULL)"
        ))
        .fetch_one(&self.read)
        .await?;
        if !any {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(concat!(
            "UPDATE jobs SET state = 'queued', message_at = ",
            now!(),
            " WHERE id IN (
                SELECT id FROM (
                  SELECT id, run_at FROM jobs WHERE state = 'scheduled' AND run_at <= ",
            now!(),
            " UNION ALL
                  SELECT id, run_at FROM jobs WHERE state = 'queued' AND message_at IS NULL
                ) ORDER BY run_at LIMIT ?)
              RETURNING id, kind, priority"
        ))
        .bind(limit)
        .fetch_all(&self.write)
        .await?;
        rows.iter().map(due).collect()
    }

    pub(crate) async fn take_lost(
        &self,
        limit: u32,
        lost_after: Duration,
        lanes: &[Lane],
    ) -> Result<Vec<Due>> {
        let lanes: Vec<_> = lanes.iter().map(ToString::to_string).collect();
        let lanes = serde_json::json!(lanes).to_string();
        let any: bool =
            sqlx::query_scalar(concat!("SELECT EXISTS (SELECT 1 FROM jobs WHERE ", lost!(), ")"))
                .bind(millis(lost_after))
                .bind(&lanes)
                .fetch_one(&self.read)
                .await?;
        if !any {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(concat!(
            "UPDATE jobs SET message_at = ",
            now!(),
            " WHERE id IN (SELECT id FROM jobs WHERE ",
            lost!(),
            " ORDER BY run_at LIMIT ?3) RETURNING id, kind, priority"
        ))
        .bind(millis(lost_after))
        .bind(&lanes)
        .bind(limit)
        .fetch_all(&self.write)
        .await?;
        rows.iter().map(due).collect()
    }

    pub(crate) async fn mark_sent(&self, jobs: &[JobId]) -> Result<()> {
        sqlx::query(concat!(
            "UPDATE jobs SET message_at = ",
            now!(),
            " WHERE id IN (SELECT value FROM json_each(?)) AND state = 'queued'"
        ))
        .bind(serde_json::json!(jobs).to_string())
        .execute(&self.write)
        .await?;
        Ok(())
    }

    pub(crate) async fn unmark_sent(&self, jobs: &[JobId]) -> Result<()> {
        sqlx::query(
            "UPDATE jobs SET message_at = NULL
              WHERE id IN (SELECT value FROM json_each(?)) AND state = 'queued'",
        )
        .bind(serde_json::json!(jobs).to_string())
        .execute(&self.write)
        .await?;
        Ok(())
    }

    pub(crate) async fn reap(&self, policy: &RetryPolicy) -> Result<Reaped> {
        let lost: Vec<String> = sqlx::query_scalar(concat!(
            "SELECT id FROM jobs WHERE state = 'running' AND lease_until < ",
            now!(),
            " LIMIT 1000"
        ))
        .fetch_all(&self.read)
        .await?;
        self.free(&lost, None, policy).await
    }

    pub(crate) async fn reap_worker(
        &self,
        worker: WorkerId,
        policy: &RetryPolicy,
    ) -> Result<Reaped> {
        let lost: Vec<String> =
            sqlx::query_scalar("SELECT id FROM jobs WHERE state = 'running' AND worker = ?")
                .bind(worker.to_string())
                .fetch_all(&self.read)
                .await?;
        sqlx::query("UPDATE workers SET state = 'gone' WHERE id = ?")
            .bind(worker.to_string())
            .execute(&self.write)
            .await?;
        self.free(&lost, Some(worker), policy).await
    }

    /// Frees jobs one by one, each only if it is still lost: held by `worker`, or past its lease.
    async fn free(
        &self,
        ids: &[String],
        worker: Option<WorkerId>,
        policy: &RetryPolicy,
    ) -> Result<Reaped> {
        let mut reaped = Reaped::default();
        if ids.is_empty() {
            return Ok(reaped);
        }
        let worker = worker.map(|worker| worker.to_string());
        let mut transaction = self.begin().await?;
        for job in ids {
            let row = sqlx::query(concat!(
                "SELECT attempts, max_attempts, cancel_requested FROM jobs
                  WHERE id = ?1 AND state = 'running'
                    AND ((?2 IS NULL AND lease_until < ",
                now!(),
                ") OR worker = ?2)"
            ))
            .bind(job)
            .bind(&worker)
            .fetch_optional(&mut *transaction)
            .await?;
            let Some(row) = row else { continue };
            let verdict = lost::verdict(
                decode::count(&row, "attempts")?,
                decode::count(&row, "max_attempts")?,
                row.try_get("cancel_requested")?,
                policy,
            );
            verdict.count(&mut reaped);
            let reason = verdict.reason();
            sqlx::query(concat!(
                "INSERT INTO attempts (job, epoch, worker, started_at, ended_at, outcome)
                 SELECT id, epoch, worker, started_at, ",
                now!(),
                ", 'worker_lost' FROM jobs WHERE id = ?"
            ))
            .bind(job)
            .execute(&mut *transaction)
            .await?;
            sqlx::query(concat!(
                "UPDATE jobs SET state = ?2, lease_until = NULL, message_at = NULL, progress = 0,
                        run_at = iif(?3, run_at, ",
                now!(),
                " + ?4),
                        finished_at = iif(?3, ",
                now!(),
                ", NULL),
                        error_code = ?5, error_message = ?6
                  WHERE id = ?1"
            ))
            .bind(job)
            .bind(verdict.state.as_str())
            .bind(verdict.state.is_closed())
            .bind(millis(verdict.wait))
            .bind(reason.map(|(code, _)| code))
            .bind(reason.map(|(_, message)| message))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await.map_err(Error::from)?;
        Ok(reaped)
    }
}

fn due(row: &SqliteRow) -> Result<Due> {
    let kind: Kind = decode::word(row, "kind")?;
    let lane = Lane { kind, priority: decode::word(row, "priority")? };
    Ok(Due { job: decode::id(row, "id")?, lane })
}
