//! Records jobs that have no video.

use reelfleet_job::{Lane, Message};
use serde_json::{Value, json};

use super::{Sqlite, messages::first_delivery, now};
use crate::{Error, NewJob, Result};

impl Sqlite {
    pub(crate) async fn submit_jobs(&self, new: &[NewJob], with_messages: bool) -> Result<()> {
        let mut rows = Vec::with_capacity(new.len());
        for job in new {
            let kind = job.payload.kind();
            let payload = serde_json::to_string(&job.payload).map_err(Error::damaged)?;
            let lane = Lane { kind, priority: job.priority }.to_string();
            let body = Message::to(job.id, kind).encode();
            rows.push(json!([
                job.id,
                kind,
                payload,
                job.priority,
                job.owner,
                job.max_attempts,
                lane,
                body
            ]));
        }
        let rows = Value::from(rows).to_string();
        let mut transaction = self.begin().await?;
        sqlx::query(concat!(
            "INSERT INTO jobs (id, kind, payload, priority, state, owner, run_at, max_attempts, created_at, message_at)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, 'queued', value ->> 4, ", now!(), ", value ->> 5, ",
            now!(), ", iif(?2, ", now!(), ", NULL) FROM json_each(?1)"
        ))
        .bind(&rows)
        .bind(with_messages)
        .execute(&mut *transaction)
        .await?;
        if with_messages {
            sqlx::query(concat!(
                "INSERT INTO messages (lane, job, body, visible_at, receipt)
                 SELECT value ->> 6, value ->> 0, value ->> 7, ",
                now!(),
                ", ",
                first_delivery!(),
                " FROM json_each(?)"
            ))
            .bind(&rows)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
