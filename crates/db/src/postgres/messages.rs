//! The `database` queue: lanes as rows.

use std::time::Duration;

use reelfleet_job::{JobId, Lane};
use sqlx::Row;
use uuid::Uuid;

use super::{Postgres, decode, millis};
use crate::{LaneDepth, RawMessage, Result};

impl Postgres {
    /// A message that is there already rings anew: whoever has it in hand can no longer acknowledge it away.
    pub(crate) async fn send_message(&self, lane: Lane, job: JobId, body: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO messages (lane, job, body, visible_at) VALUES ($1, $2, $3, now_ms())
             ON CONFLICT (job) DO UPDATE SET lane = excluded.lane, receipt = messages.receipt + 1,
                    visible_at = least(messages.visible_at, excluded.visible_at)",
        )
        .bind(lane.to_string())
        .bind(Uuid::from(job))
        .bind(body)
        .execute(&self.pool)
        .await?;
        self.bell.ring();
        Ok(())
    }

    pub(crate) async fn receive_messages(
        &self,
        lanes: &[Lane],
        limit: u32,
        hide: Duration,
    ) -> Result<Vec<RawMessage>> {
        for lane in lanes {
            let rows = sqlx::query(
                "WITH next AS (SELECT id FROM messages WHERE lane = $1 AND visible_at <= now_ms()
                                ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
                 UPDATE messages m SET visible_at = now_ms() + $3, receipt = m.receipt + 1
                   FROM next WHERE m.id = next.id
                 RETURNING m.id, m.receipt, m.body",
            )
            .bind(lane.to_string())
            .bind(i64::from(limit))
            .bind(millis(hide))
            .fetch_all(&self.pool)
            .await?;
            if rows.is_empty() {
                continue;
            }
            let mut messages = rows
                .iter()
                .map(|row| {
                    Ok(RawMessage {
                        id: row.try_get("id")?,
                        receipt: row.try_get("receipt")?,
                        body: row.try_get("body")?,
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            messages.sort_by_key(|message| message.id);
            return Ok(messages);
        }
        Ok(Vec::new())
    }

    pub(crate) async fn ack_message(&self, id: i64, receipt: i64) -> Result<()> {
        sqlx::query("DELETE FROM messages WHERE id = $1 AND receipt = $2")
            .bind(id)
            .bind(receipt)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn release_message(&self, id: i64, receipt: i64) -> Result<()> {
        sqlx::query("UPDATE messages SET visible_at = now_ms() WHERE id = $1 AND receipt = $2")
            .bind(id)
            .bind(receipt)
            .execute(&self.pool)
            .await?;
        self.bell.ring();
        Ok(())
    }

    pub(crate) async fn lane_depths(&self) -> Result<Vec<LaneDepth>> {
        let rows = sqlx::query(
            "SELECT lane, count(*) FILTER (WHERE visible_at <= now_ms()) AS ready,
                    count(*) FILTER (WHERE visible_at > now_ms()) AS in_flight
               FROM messages GROUP BY lane",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(LaneDepth {
                    lane: decode::word(row, "lane")?,
                    ready: decode::count(row, "ready")?,
                    in_flight: decode::count(row, "in_flight")?,
                })
            })
            .collect()
    }
}
