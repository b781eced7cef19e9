//! Records jobs that have no video.

use reelfleet_job::{Lane, Message};
use uuid::Uuid;

use super::{
    Postgres,
    messages::{first_delivery, work},
};
use crate::{Error, NewJob, Result, Topic};

impl Postgres {
    pub(crate) async fn submit_jobs(&self, new: &[NewJob], with_messages: bool) -> Result<()> {
        let mut payloads = Vec::with_capacity(new.len());
        for job in new {
            payloads.push(serde_json::to_string(&job.payload).map_err(Error::damaged)?);
        }
        let work = work(new.iter().filter(|_| with_messages).map(|job| job.payload.kind()));
        let along = self.bell.along(work.chain([Topic::Changes]));
        // One statement is one transaction, and one answer to wait for.
        sqlx::query(concat!(
            "WITH new AS (
                SELECT id, kind, payload, priority, owner, max_attempts, lane, body
                  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::bigint[],
                                     $7::text[], $8::text[])
                           AS n (id, kind, payload, priority, owner, max_attempts, lane, body)),
             job AS (
                INSERT INTO jobs (id, kind, payload, priority, state, owner, run_at, max_attempts, created_at, message_at)
                SELECT id, kind, payload, priority, 'queued', owner, now_ms(), max_attempts, now_ms(),
                       CASE WHEN $9 THEN now_ms() END FROM new),
             message AS (
                INSERT INTO messages (lane, job, body, visible_at, receipt)
                SELECT lane, id, body, now_ms(), ", first_delivery!(), " FROM new WHERE $9)
             SELECT pg_notify(channel, '') FROM unnest($10::text[]) AS along (channel)"
        ))
        .bind(new.iter().map(|job| Uuid::from(job.id)).collect::<Vec<_>>())
        .bind(new.iter().map(|job| job.payload.kind().as_str()).collect::<Vec<_>>())
        .bind(payloads)
        .bind(new.iter().map(|job| job.priority.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|job| Uuid::from(job.owner)).collect::<Vec<_>>())
        .bind(new.iter().map(|job| i64::from(job.max_attempts)).collect::<Vec<_>>())
        .bind(new.iter().map(|job| lane(job).to_string()).collect::<Vec<_>>())
        .bind(new.iter().map(body).collect::<Vec<_>>())
        .bind(with_messages)
        .bind(&along.channels)
        .execute(&self.pool)
        .await?;
        self.bell.ring_later(&along);
        Ok(())
    }
}

fn lane(job: &NewJob) -> Lane {
    Lane { kind: job.payload.kind(), priority: job.priority }
}

fn body(job: &NewJob) -> String {
    Message::to(job.id, job.payload.kind()).encode()
}
