//! What a worker does to a job: claim, beat, close. Every effect names the epoch.

use std::{collections::BTreeMap, time::Duration};

use reelfleet_job::{JobId, Lane, Reason, WorkerId};
use serde_json::json;
use sqlx::SqliteConnection;

use super::{Sqlite, millis, now};
use crate::{Beat, Error, Finished, Pulse, RawClaimed, RawTaken, Result};

/// Jobs of which the claim, an epoch by its job's id, is still the one given.
macro_rules! held {
    () => {
        "jobs.id = claim.key AND epoch = claim.value AND state = 'running' AND cancel_requested = 0"
    };
}

impl Sqlite {
    pub(crate) async fn claim_some(
        &self,
        jobs: &[JobId],
        worker: WorkerId,
        lease: Duration,
    ) -> Result<Vec<RawClaimed>> {
        let jobs = json!(jobs).to_string();
        let mut transaction = self.begin().await?;
        let claimed = claim(&mut transaction, &jobs, worker, lease).await?;
        transaction.commit().await?;
        Ok(claimed)
    }

    pub(crate) async fn claim_next(
        &self,
        lanes: &[Lane],
        limit: u32,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<RawTaken> {
        for lane in lanes {
            if !self.has_messages(*lane).await? {
                continue;
            }
            let mut transaction = self.begin().await?;
            let (messages, jobs): (i64, String) = sqlx::query_as(concat!(
                "SELECT count(*), json_group_array(job)
                   FROM (SELECT job FROM messages WHERE lane = ? AND visible_at <= ",
                now!(),
                " ORDER BY job LIMIT ?)"
            ))
            .bind(lane.to_string())
            .bind(limit)
            .fetch_one(&mut *transaction)
            .await?;
            if messages == 0 {
                continue;
            }
            sqlx::query(
                "DELETE FROM messages WHERE lane = ? AND job IN (SELECT value FROM json_each(?))",
            )
            .bind(lane.to_string())
            .bind(&jobs)
            .execute(&mut *transaction)
            .await?;
            let claimed = claim(&mut transaction, &jobs, worker, lease).await?;
            transaction.commit().await?;
            return Ok(RawTaken { messages: messages.unsigned_abs(), claimed });
        }
        Ok(RawTaken::default())
    }

    pub(crate) async fn close_some_done(&self, claims: &[(JobId, u64)]) -> Result<Vec<JobId>> {
        let mut held: BTreeMap<JobId, u64> = claims.iter().copied().collect();
        loop {
            let closing = json!(held).to_string();
            let mut transaction = self.begin().await?;
            let closed = sqlx::query(concat!(
                "UPDATE jobs SET state = 'done', progress = 1, lease_until = NULL,
                        error_code = NULL, error_message = NULL, finished_at = ",
                now!(),
                " FROM json_each(?) claim WHERE ",
                held!()
            ))
            .bind(&closing)
            .execute(&mut *transaction)
            .await?;
            if closed.rows_affected() == held.len() as u64 {
                transaction.commit().await?;
                return Ok(held.into_keys().collect());
            }
            // Rare enough to be asked only then: which ones are no longer held.
            transaction.rollback().await?;
            let still: String = sqlx::query_scalar(concat!(
                "SELECT json_group_object(jobs.id, epoch) FROM json_each(?) claim JOIN jobs ON ",
                held!()
            ))
            .bind(&closing)
            .fetch_one(&self.read)
            .await?;
            held = serde_json::from_str(&still).map_err(Error::damaged)?;
        }
    }

    pub(crate) async fn beat(
        &self,
        worker: WorkerId,
        lease: Duration,
        pulses: &[Pulse],
    ) -> Result<Vec<Beat>> {
        let mut transaction = self.begin().await?;
        sqlx::query(concat!("UPDATE workers SET seen_at = ", now!(), " WHERE id = ?"))
            .bind(worker.to_string())
            .execute(&mut *transaction)
            .await?;
        let mut beats = Vec::with_capacity(pulses.len());
        for pulse in pulses {
            let cancel: Option<bool> = sqlx::query_scalar(concat!(
                "UPDATE jobs SET lease_until = ",
                now!(),
                " + ?, progress = max(progress, ?)
                  WHERE id = ? AND epoch = ? AND worker = ? AND state = 'running'
                  RETURNING cancel_requested"
            ))
            .bind(millis(lease))
            .bind(pulse.progress)
            .bind(pulse.job.to_string())
            .bind(epoch(pulse.epoch))
            .bind(worker.to_string())
            .fetch_optional(&mut *transaction)
            .await?;
            beats.push(match cancel {
                Some(false) => Beat::Held,
                Some(true) => Beat::Cancel,
                None => Beat::Lost,
            });
        }
        transaction.commit().await?;
        Ok(beats)
    }

    pub(crate) async fn close_done(&self, job: JobId, at: u64, result: &Finished) -> Result<bool> {
        let mut transaction = self.begin().await?;
        let closed = sqlx::query(concat!(
            "UPDATE jobs SET state = 'done', progress = 1, lease_until = NULL,
                    error_code = NULL, error_message = NULL, finished_at = ",
            now!(),
            "
              WHERE id = ? AND epoch = ? AND state = 'running' AND cancel_requested = 0"
        ))
        .bind(job.to_string())
        .bind(epoch(at))
        .execute(&mut *transaction)
        .await?;
        if closed.rows_affected() == 0 {
            return Ok(false);
        }
        let video = result.video.to_string();
        sqlx::query("UPDATE videos SET duration_ms = ?, width = ?, height = ? WHERE id = ?")
            .bind((result.duration_s * 1000.0).round() as i64)
            .bind(result.width)
            .bind(result.height)
            .bind(&video)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM files WHERE video = ?")
            .bind(&video)
            .execute(&mut *transaction)
            .await?;
        for file in &result.files {
            sqlx::query(
                "INSERT INTO files (video, name, kind, content_type, bytes, epoch)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(&video)
            .bind(&file.name)
            .bind(&file.kind)
            .bind(&file.content_type)
            .bind(i64::try_from(file.bytes).unwrap_or(i64::MAX))
            .bind(epoch(at))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    pub(crate) async fn close_dead(&self, job: JobId, at: u64, reason: &Reason) -> Result<bool> {
        self.leave(
            concat!(
                "UPDATE jobs SET state = 'dead', lease_until = NULL, message_at = NULL,
                        error_code = ?3, error_message = ?4, finished_at = ",
                now!(),
                " + ?5
                  WHERE id = ?1 AND epoch = ?2 AND state = 'running'"
            ),
            job,
            at,
            ("dead", Some(reason), Duration::ZERO),
        )
        .await
    }

    pub(crate) async fn close_cancelled(&self, job: JobId, at: u64) -> Result<bool> {
        self.leave(
            concat!(
                "UPDATE jobs SET state = 'cancelled', lease_until = NULL,
                        error_code = ?3, error_message = ?4, finished_at = ",
                now!(),
                " + ?5
                  WHERE id = ?1 AND epoch = ?2 AND state = 'running' AND cancel_requested = 1"
            ),
            job,
            at,
            ("cancelled", None, Duration::ZERO),
        )
        .await
    }

    pub(crate) async fn retry(
        &self,
        job: JobId,
        at: u64,
        wait: Duration,
        reason: &Reason,
    ) -> Result<bool> {
        self.leave(
            concat!(
                "UPDATE jobs SET state = 'scheduled', lease_until = NULL, progress = 0,
                        message_at = NULL, error_code = ?3, error_message = ?4, run_at = ",
                now!(),
                " + ?5
                  WHERE id = ?1 AND epoch = ?2 AND state = 'running' AND cancel_requested = 0"
            ),
            job,
            at,
            ("retry", Some(reason), wait),
        )
        .await
    }

    pub(crate) async fn hand_back(&self, job: JobId, at: u64) -> Result<bool> {
        // A job that its owner wants stopped is not given to anyone else.
        self.leave(
            concat!(
                "UPDATE jobs SET state = iif(cancel_requested, 'cancelled', 'queued'),
                        finished_at = iif(cancel_requested, ",
                now!(),
                " + ?5, NULL),
                        lease_until = NULL, progress = 0, message_at = NULL,
                        attempts = max(attempts - 1, 0), error_code = ?3, error_message = ?4
                  WHERE id = ?1 AND epoch = ?2 AND state = 'running'"
            ),
            job,
            at,
            ("handed_back", None, Duration::ZERO),
        )
        .await
    }

    /// Runs one guarded statement (`?1` job, `?2` epoch, `?3` and `?4` the reason, `?5` a wait)
    /// and ends the attempt with it.
    async fn leave(
        &self,
        statement: &'static str,
        job: JobId,
        at: u64,
        (outcome, reason, wait): (&'static str, Option<&Reason>, Duration),
    ) -> Result<bool> {
        let mut transaction = self.begin().await?;
        let left = sqlx::query(statement)
            .bind(job.to_string())
            .bind(epoch(at))
            .bind(reason.map(|reason| reason.code.as_str()))
            .bind(reason.map(|reason| reason.message.as_str()))
            .bind(millis(wait))
            .execute(&mut *transaction)
            .await?;
        if left.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(concat!(
            "INSERT INTO attempts (job, epoch, worker, started_at, ended_at, outcome, error_code, error_message)
             SELECT id, epoch, worker, started_at, ",
            now!(),
            ", ?, ?, ? FROM jobs WHERE id = ?"
        ))
        .bind(outcome)
        .bind(reason.map(|reason| reason.code.as_str()))
        .bind(reason.map(|reason| reason.message.as_str()))
        .bind(job.to_string())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// An epoch as the rows have it. It counts claims, so it never nears the limit.
fn epoch(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// Claims those of these jobs, a JSON array, that are queued. What comes back is one row, too:
/// each row of an answer costs as much as the claim of its job.
async fn claim(
    connection: &mut SqliteConnection,
    jobs: &str,
    worker: WorkerId,
    lease: Duration,
) -> Result<Vec<RawClaimed>> {
    let queued: String = sqlx::query_scalar(
        "SELECT json_group_array(json_array(id, epoch + 1, attempts + 1, max_attempts, payload)) FROM jobs
          WHERE id IN (SELECT value FROM json_each(?)) AND state = 'queued'",
    )
    .bind(jobs)
    .fetch_one(&mut *connection)
    .await?;
    let queued: Vec<(JobId, u64, u32, u32, String)> =
        serde_json::from_str(&queued).map_err(Error::damaged)?;
    if queued.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query(concat!(
        "UPDATE jobs SET state = 'running', epoch = epoch + 1, attempts = attempts + 1, worker = ?2,
                lease_until = ", now!(), " + ?3, started_at = ", now!(), ", finished_at = NULL,
                progress = 0, message_at = NULL, error_code = NULL, error_message = NULL
          WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'queued'"
    ))
    .bind(jobs)
    .bind(worker.to_string())
    .bind(millis(lease))
    .execute(connection)
    .await?;
    let claimed = |(id, epoch, attempts, max_attempts, payload)| RawClaimed {
        id,
        epoch,
        attempts,
        max_attempts,
        payload,
    };
    Ok(queued.into_iter().map(claimed).collect())
}
