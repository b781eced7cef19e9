//! What a worker does to a job: claim, beat, close. Every effect names the epoch.

use std::time::Duration;

use reelfleet_job::{JobId, Reason, WorkerId};
use sqlx::Row;
use uuid::Uuid;

use super::{Postgres, decode, millis, whole};
use crate::{Beat, Finished, Pulse, RawClaimed, Result, Topic};

/// What a claim makes of the jobs in `due`, and what is told of them. `$2` worker, `$3` lease.
macro_rules! claim_due {
    () => {
        "UPDATE jobs j SET state = 'running', epoch = epoch + 1, attempts = attempts + 1, worker = $2,
                lease_until = now_ms() + $3, started_at = now_ms(), finished_at = NULL,
                progress = 0, message_at = NULL, error_code = NULL, error_message = NULL
           FROM due WHERE j.id = due.id
         RETURNING j.id, j.epoch, j.attempts, j.max_attempts, j.payload"
    };
}
pub(super) use claim_due;

/// A state, asked of rows that are found by their ids. The planner cannot see that an index is for
/// this state only; if it could, it would go through all of a long queue to look up a few ids.
macro_rules! by_id {
    ($state:literal) => {
        concat!("COALESCE(state = '", $state, "', FALSE)")
    };
}
pub(super) use by_id;

/// The statement by which a job leaves its worker's hand, and its attempt ends with it:
/// what becomes of the row, and on what further condition. `$1` job, `$2` epoch,
/// `$3` and `$4` the reason, `$5` a wait, `$6` the outcome.
macro_rules! leaving {
    ($set:literal, $and:literal) => {
        concat!(
            "WITH left_hand AS (UPDATE jobs SET ",
            $set,
            " WHERE id = $1 AND epoch = $2 AND state = 'running' ",
            $and,
            " RETURNING id, epoch, worker, started_at)
             INSERT INTO attempts (job, epoch, worker, started_at, ended_at, outcome, error_code, error_message)
             SELECT id, epoch, worker, started_at, now_ms(), $6, $3, $4 FROM left_hand"
        )
    };
}

impl Postgres {
    pub(crate) async fn claim_some(
        &self,
        jobs: &[JobId],
        worker: WorkerId,
        lease: Duration,
    ) -> Result<Vec<RawClaimed>> {
        // Rows are locked in the order of their ids, as everywhere, so that no two wait for each other.
        let rows = sqlx::query(concat!(
            "WITH due AS (SELECT id FROM jobs WHERE id = ANY($1) AND ",
            by_id!("queued"),
            " ORDER BY id FOR UPDATE) ",
            claim_due!()
        ))
        .bind(jobs.iter().copied().map(Uuid::from).collect::<Vec<_>>())
        .bind(Uuid::from(worker))
        .bind(millis(lease))
        .fetch_all(&self.pool)
        .await?;
        if !rows.is_empty() {
            self.bell.ring(Topic::Changes);
        }
        rows.iter().map(decode::claimed).collect()
    }

    pub(crate) async fn close_some_done(&self, claims: &[(JobId, u64)]) -> Result<Vec<JobId>> {
        // In the order of their ids, as everywhere: the join goes through them as they are given.
        // Locking them in a statement before, as a claim does, would write each row once more.
        let mut claims = claims.to_vec();
        claims.sort_unstable();
        let (jobs, epochs): (Vec<_>, Vec<_>) =
            claims.iter().map(|(job, epoch)| (Uuid::from(*job), whole(*epoch))).unzip();
        let rows = sqlx::query(
            "UPDATE jobs j SET state = 'done', progress = 1, lease_until = NULL,
                    error_code = NULL, error_message = NULL, finished_at = now_ms()
               FROM unnest($1::uuid[], $2::bigint[]) AS c (job, epoch)
              WHERE j.id = c.job AND j.epoch = c.epoch AND j.state = 'running' AND NOT j.cancel_requested
             RETURNING j.id",
        )
        .bind(jobs)
        .bind(epochs)
        .fetch_all(&self.pool)
        .await?;
        self.bell.ring(Topic::Changes);
        rows.iter().map(|row| decode::id(row, "id")).collect()
    }

    pub(crate) async fn beat(
        &self,
        worker: WorkerId,
        lease: Duration,
        pulses: &[Pulse],
    ) -> Result<Vec<Beat>> {
        // Rows are locked in the order of their ids, as everywhere, so that no two wait for each other.
        let rows = sqlx::query(
            "WITH seen AS (UPDATE workers SET seen_at = now_ms() WHERE id = $1),
             held AS (
                SELECT j.id, p.progress, p.progress > j.progress AS further FROM jobs j
                  JOIN unnest($3::uuid[], $4::bigint[], $5::float8[]) AS p (job, epoch, progress)
                    ON p.job = j.id AND p.epoch = j.epoch
                 WHERE j.worker = $1 AND j.state = 'running' ORDER BY j.id FOR UPDATE OF j)
             UPDATE jobs j SET lease_until = now_ms() + $2, progress = greatest(j.progress, held.progress)
               FROM held WHERE j.id = held.id
             RETURNING j.id, j.cancel_requested, held.further",
        )
        .bind(Uuid::from(worker))
        .bind(millis(lease))
        .bind(pulses.iter().map(|pulse| Uuid::from(pulse.job)).collect::<Vec<_>>())
        .bind(pulses.iter().map(|pulse| whole(pulse.epoch)).collect::<Vec<_>>())
        .bind(pulses.iter().map(|pulse| pulse.progress).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        let mut held = std::collections::HashMap::with_capacity(rows.len());
        let mut further = false;
        for row in &rows {
            further |= row.try_get::<bool, _>("further")?;
            held.insert(decode::id::<JobId>(row, "id")?, row.try_get("cancel_requested")?);
        }
        if further {
            self.bell.ring(Topic::Changes);
        }
        Ok(pulses
            .iter()
            .map(|pulse| match held.get(&pulse.job) {
                Some(false) => Beat::Held,
                Some(true) => Beat::Cancel,
                None => Beat::Lost,
            })
            .collect())
    }

    pub(crate) async fn close_done(&self, job: JobId, at: u64, result: &Finished) -> Result<bool> {
        let mut transaction = self.begin().await?;
        super::videos::lock(&mut transaction, job).await?;
        let closed = sqlx::query(
            "UPDATE jobs SET state = 'done', progress = 1, lease_until = NULL,
                    error_code = NULL, error_message = NULL, finished_at = now_ms()
              WHERE id = $1 AND epoch = $2 AND state = 'running' AND NOT cancel_requested",
        )
        .bind(Uuid::from(job))
        .bind(whole(at))
        .execute(&mut *transaction)
        .await?;
        if closed.rows_affected() == 0 {
            return Ok(false);
        }
        let video = Uuid::from(result.video);
        sqlx::query(
            "WITH shown AS (UPDATE videos SET duration_ms = $2, width = $3, height = $4 WHERE id = $1)
             DELETE FROM files WHERE video = $1",
        )
        .bind(video)
        .bind((result.duration_s * 1000.0).round() as i64)
        .bind(i64::from(result.width))
        .bind(i64::from(result.height))
        .execute(&mut *transaction)
        .await?;
        let column = |of: fn(&crate::File) -> &str| -> Vec<String> {
            result.files.iter().map(|file| of(file).to_owned()).collect()
        };
        sqlx::query(
            "INSERT INTO files (video, name, kind, content_type, bytes, epoch)
             SELECT $1, f.name, f.kind, f.content_type, f.bytes, $6
               FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) AS f (name, kind, content_type, bytes)",
        )
        .bind(video)
        .bind(column(|file| &file.name))
        .bind(column(|file| &file.kind))
        .bind(column(|file| &file.content_type))
        .bind(result.files.iter().map(|file| whole(file.bytes)).collect::<Vec<_>>())
        .bind(whole(at))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.bell.ring(Topic::Changes);
        Ok(true)
    }

    pub(crate) async fn close_dead(&self, job: JobId, at: u64, reason: &Reason) -> Result<bool> {
        self.leave(
            leaving!(
                "state = 'dead', lease_until = NULL, message_at = NULL,
                 error_code = $3, error_message = $4, finished_at = now_ms() + $5",
                ""
            ),
            job,
            at,
            ("dead", Some(reason), Duration::ZERO),
        )
        .await
    }

    pub(crate) async fn close_cancelled(&self, job: JobId, at: u64) -> Result<bool> {
        self.leave(
            leaving!(
                "state = 'cancelled', lease_until = NULL,
                 error_code = $3, error_message = $4, finished_at = now_ms() + $5",
                "AND cancel_requested"
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
            leaving!(
                "state = 'scheduled', lease_until = NULL, progress = 0,
                 message_at = NULL, error_code = $3, error_message = $4, run_at = now_ms() + $5",
                "AND NOT cancel_requested"
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
            leaving!(
                "state = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END,
                 finished_at = CASE WHEN cancel_requested THEN now_ms() + $5 END,
                 lease_until = NULL, progress = 0, message_at = NULL,
                 attempts = greatest(attempts - 1, 0), error_code = $3, error_message = $4",
                ""
            ),
            job,
            at,
            ("handed_back", None, Duration::ZERO),
        )
        .await
    }

    /// Runs one guarded statement, see [`leaving`].
    async fn leave(
        &self,
        statement: &'static str,
        job: JobId,
        at: u64,
        (outcome, reason, wait): (&'static str, Option<&Reason>, Duration),
    ) -> Result<bool> {
        let left = sqlx::query(statement)
            .bind(Uuid::from(job))
            .bind(whole(at))
            .bind(reason.map(|reason| reason.code.as_str()))
            .bind(reason.map(|reason| reason.message.as_str()))
            .bind(millis(wait))
            .bind(outcome)
            .execute(&self.pool)
            .await?;
        let left = left.rows_affected() > 0;
        if left {
            self.bell.ring(Topic::Changes);
        }
        Ok(left)
    }
}
