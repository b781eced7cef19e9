//! The `database` queue: lanes as rows.

use std::time::Duration;

use reelfleet_job::{JobId, Lane};
use sqlx::Row;

use super::{Sqlite, decode, millis, now};
use crate::{LaneDepth, RawMessage, Result};

impl Sqlite {
    /// A message that is there already rings anew: whoever has it in hand can no longer acknowledge it away.
    pub(crate) async fn send_message(&self, lane: Lane, job: JobId, body: &str) -> Result<()> {
        sqlx::query(concat!(
            "INSERT INTO messages (lane, job, body, visible_at) VALUES (?, ?, ?, ",
            now!(),
            ")
             ON CONFLICT (job) DO UPDATE SET lane = excluded.lane, receipt = receipt + 1,
                    visible_at = min(visible_at, excluded.visible_at)"
        ))
        .bind(lane.to_string())
        .bind(job.to_string())
        .bind(body)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    pub(crate) async fn receive_messages(
        &self,
        lanes: &[Lane],
        limit: u32,
        hide: Duration,
    ) -> Result<Vec<RawMessage>> {
        for lane in lanes {
            let lane = lane.to_string();
            // Looking first with a reading connection keeps idle workers away from the write lock.
            let any: bool = sqlx::query_scalar(concat!(
                "SELECT EXISTS (SELECT 1 FROM messages WHERE lane = ? AND visible_at <= ",
                now!(),
                ")"
            ))
            .bind(&lane)
            .fetch_one(&self.read)
            .await?;
            if !any {
                continue;
            }
            let rows = sqlx::query(concat!(
                "UPDATE messages SET visible_at = ",
                now!(),
                " + ?, receipt = receipt + 1
                  WHERE id IN (SELECT id FROM messages WHERE lane = ? AND visible_at <= ",
                now!(),
                "
                                ORDER BY id LIMIT ?)
                  RETURNING id, receipt, body"
            ))
            .bind(millis(hide))
            .bind(&lane)
            .bind(limit)
            .fetch_all(&self.write)
            .await?;
            if !rows.is_empty() {
                return rows
                    .iter()
                    .map(|row| {
                        Ok(RawMessage {
                            id: row.try_get("id")?,
                            receipt: row.try_get("receipt")?,
                            body: row.try_get("body")?,
                        })
                    })
                    .collect();
            }
        }
        Ok(Vec::new())
    }

    pub(crate) async fn ack_message(&self, id: i64, receipt: i64) -> Result<()> {
        sqlx::query("DELETE FROM messages WHERE id = ? AND receipt = ?")
            .bind(id)
            .bind(receipt)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    pub(crate) async fn release_message(&self, id: i64, receipt: i64) -> Result<()> {
        sqlx::query(concat!(
            "UPDATE messages SET visible_at = ",
            now!(),
            " WHERE id = ? AND receipt = ?"
        ))
        .bind(id)
        .bind(receipt)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    pub(crate) async fn lane_depths(&self) -> Result<Vec<LaneDepth>> {
        let rows = sqlx::query(concat!(
            "SELECT lane, sum(visible_at <= ",
            now!(),
            ") AS ready, sum(visible_at > ",
            now!(),
            ") AS in_flight
               FROM messages GROUP BY lane"
        ))
        .fetch_all(&self.read)
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
