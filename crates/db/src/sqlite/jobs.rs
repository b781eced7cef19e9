//! What operators and owners see of jobs, and what they may do to them.

use reelfleet_job::JobId;
use sqlx::{Row, SqliteConnection};

use super::{Sqlite, decode, now};
use crate::{Attempt, Backlog, Epochs, Error, Job, JobFilter, Page, Result, decode::job_rows};

impl Sqlite {
    pub(crate) async fn backlog(&self) -> Result<Backlog> {
        let row = sqlx::query(concat!(
            "SELECT (SELECT count(*) FROM jobs WHERE state = 'scheduled' AND kind = 'transcode') AS scheduled,
                    (SELECT count(*) FROM jobs WHERE state = 'queued' AND kind = 'transcode') AS waiting,
                    (SELECT count(*) FROM jobs WHERE state = 'running' AND kind = 'transcode') AS running,
                    (SELECT count(*) FROM jobs WHERE state = 'dead') AS dead,
                    (SELECT max(0, ",
            now!(),
            " - min(run_at)) FROM jobs WHERE state = 'queued' AND kind = 'transcode') AS oldest_ms,
                    (SELECT avg(finished_at - started_at) FROM
                        (SELECT finished_at, started_at FROM jobs WHERE state = 'done' AND kind = 'transcode'
                          ORDER BY finished_at DESC LIMIT 50)) AS mean_ms"
        ))
        .fetch_one(&self.read)
        .await?;
        let oldest: Option<i64> = row.try_get("oldest_ms")?;
        let mean: Option<f64> = row.try_get("mean_ms")?;
        Ok(Backlog {
            scheduled: decode::count(&row, "scheduled")?,
            waiting: decode::count(&row, "waiting")?,
            running: decode::count(&row, "running")?,
            dead: decode::count(&row, "dead")?,
            oldest_waiting_s: oldest.unwrap_or(0) as f64 / 1000.0,
            mean_run_s: mean.map(|mean| mean / 1000.0),
        })
    }

    pub(crate) async fn jobs(&self, filter: &JobFilter) -> Result<Page<Job>> {
        let rows = sqlx::query(concat!(
            job_rows!(),
            "WHERE (?1 IS NULL OR j.state = ?1) AND (?2 IS NULL OR j.id < ?2)
             ORDER BY j.id DESC LIMIT ?3"
        ))
        .bind(filter.state.map(reelfleet_job::State::as_str))
        .bind(filter.before.map(|id| id.to_string()))
        .bind(i64::from(filter.limit) + 1)
        .fetch_all(&self.read)
        .await?;
        let page = Page::of(&rows, filter.limit, |row| Ok(decode::job(row)))?;
        // A row that this version cannot read must not hide the others.
        let readable = page.rows.into_iter().filter_map(|job| {
            job.inspect_err(|error| tracing::warn!(%error, "a job is left out of the list")).ok()
        });
        Ok(Page { rows: readable.collect(), more: page.more })
    }

    pub(crate) async fn job(&self, id: JobId) -> Result<Option<Job>> {
        let row = sqlx::query(concat!(job_rows!(), "WHERE j.id = ?"))
            .bind(id.to_string())
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(decode::job).transpose()
    }

    pub(crate) async fn attempts(&self, id: JobId) -> Result<Vec<Attempt>> {
        let rows = sqlx::query(
            "SELECT epoch, worker, started_at, ended_at, outcome, error_code, error_message
               FROM attempts WHERE job = ?1
             UNION ALL
             SELECT epoch, worker, started_at, finished_at, iif(state = 'done', 'done', NULL), NULL, NULL
               FROM jobs WHERE id = ?1 AND state IN ('running', 'done')
              ORDER BY epoch",
        )
            .bind(id.to_string())
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(decode::attempt).collect()
    }

    pub(crate) async fn ahead_of(&self, id: JobId) -> Result<u64> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM jobs other, jobs this
              WHERE this.id = ? AND other.state = 'queued' AND other.kind = this.kind AND other.id <> this.id
                AND (CASE other.priority WHEN 'high' THEN 0 WHEN 'normal' THEN 1 ELSE 2 END, other.run_at, other.id)
                  < (CASE this.priority WHEN 'high' THEN 0 WHEN 'normal' THEN 1 ELSE 2 END, this.run_at, this.id)",
        )
        .bind(id.to_string())
        .fetch_one(&self.read)
        .await?;
        Ok(count.unsigned_abs())
    }

    pub(crate) async fn cancel_job(&self, id: JobId, actor: &str) -> Result<Option<Job>> {
        let mut transaction = self.begin().await?;
        if ask_to_stop(&mut transaction, &id.to_string()).await? {
            audit(&mut transaction, actor, "cancel", id).await?;
        }
        transaction.commit().await?;
        self.job(id).await
    }

    pub(crate) async fn redrive(&self, id: JobId, actor: &str) -> Result<bool> {
        let mut transaction = self.begin().await?;
        let redriven = sqlx::query(concat!(
            "UPDATE jobs SET state = 'queued', attempts = 0, run_at = ", now!(), ", message_at = NULL,
                    progress = 0, finished_at = NULL, cancel_requested = 0
              WHERE id = ? AND state = 'dead'
                AND NOT EXISTS (SELECT 1 FROM videos v WHERE v.job = jobs.id AND v.deleted_at IS NOT NULL)"
        ))
        .bind(id.to_string())
        .execute(&mut *transaction)
        .await?;
        if redriven.rows_affected() == 0 {
            return Ok(false);
        }
        audit(&mut transaction, actor, "redrive", id).await?;
        transaction.commit().await?;
        Ok(true)
    }

    pub(crate) async fn discard(&self, id: JobId, actor: &str) -> Result<bool> {
        let mut transaction = self.begin().await?;
        let discarded =
            sqlx::query("UPDATE jobs SET state = 'cancelled' WHERE id = ? AND state = 'dead'")
                .bind(id.to_string())
                .execute(&mut *transaction)
                .await?;
        if discarded.rows_affected() == 0 {
            return Ok(false);
        }
        audit(&mut transaction, actor, "discard", id).await?;
        transaction.commit().await?;
        Ok(true)
    }

    pub(crate) async fn epochs(&self, job: JobId) -> Result<Option<Epochs>> {
        // A dead job keeps no outputs; a running one may still publish under its last epoch;
        // a done one published under the epoch that its files name.
        let row: Option<(i64, Option<i64>)> = sqlx::query_as(
            "SELECT j.epoch,
                    CASE j.state
                    WHEN 'running' THEN j.epoch
                    WHEN 'done' THEN (SELECT max(f.epoch) FROM files f JOIN videos v ON v.id = f.video
                                       WHERE v.job = j.id)
                    END
               FROM jobs j WHERE j.id = ?",
        )
        .bind(job.to_string())
        .fetch_optional(&self.read)
        .await?;
        let number = |epoch: i64| u64::try_from(epoch).map_err(Error::damaged);
        row.map(|(last, live)| {
            Ok(Epochs { last: number(last)?, live: live.map(number).transpose()? })
        })
        .transpose()
    }
}

/// A job that waits is cancelled at once; one that runs is marked, and its
/// worker stops it. False if there was nothing to stop.
pub(super) async fn ask_to_stop(connection: &mut SqliteConnection, job: &str) -> Result<bool> {
    let asked = sqlx::query(concat!(
        "UPDATE jobs SET cancel_requested = 1,
                state = iif(state = 'running', 'running', 'cancelled'),
                finished_at = iif(state = 'running', NULL, ",
        now!(),
        ")
          WHERE id = ? AND state IN ('scheduled', 'queued', 'running')"
    ))
    .bind(job)
    .execute(connection)
    .await?;
    Ok(asked.rows_affected() > 0)
}

async fn audit(
    connection: &mut SqliteConnection,
    actor: &str,
    action: &str,
    job: JobId,
) -> Result<()> {
    sqlx::query(concat!(
        "INSERT INTO audit (at, actor, action, job) VALUES (",
        now!(),
        ", ?, ?, ?)"
    ))
    .bind(actor)
    .bind(action)
    .bind(job.to_string())
    .execute(connection)
    .await?;
    Ok(())
}
