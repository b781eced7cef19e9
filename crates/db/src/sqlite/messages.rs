//! The `database` queue: lanes as rows.

use std::time::Duration;

use reelfleet_job::Lane;
use serde_json::json;
use sqlx::Row;

use super::{Sqlite, decode, millis, now};
use crate::{LaneDepth, RawMessage, RawReceipt, RawSend, Result};

macro_rules! these_deliveries {
    () => {
        "(lane, job, receipt) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?))"
    };
}

/// A message that is sent again, after one that was acknowledged, must not answer to old receipts.
macro_rules! first_delivery {
    () => {
        "random() >> 1"
    };
}
pub(super) use first_delivery;

impl Sqlite {
    /// A message that is there already rings anew: whoever has it in hand can no longer acknowledge it away.
    pub(crate) async fn send_messages(&self, batch: &[RawSend]) -> Result<()> {
        let rows = batch.iter().map(|send| json!([send.lane.to_string(), send.job, send.body]));
        sqlx::query(concat!(
            "INSERT INTO messages (lane, job, body, visible_at, receipt)
             SELECT value ->> 0, value ->> 1, value ->> 2, ",
            now!(),
            ", ",
            first_delivery!(),
            " FROM json_each(?) WHERE true
             ON CONFLICT (lane, job) DO UPDATE SET receipt = receipt + 1,
                    visible_at = min(visible_at, excluded.visible_at)"
        ))
        .bind(rows.collect::<serde_json::Value>().to_string())
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
            if !self.has_messages(*lane).await? {
                continue;
            }
            let rows = sqlx::query(concat!(
                "UPDATE messages SET visible_at = ",
                now!(),
                " + ?1, receipt = receipt + 1
                  WHERE lane = ?2
                    AND job IN (SELECT job FROM messages WHERE lane = ?2 AND visible_at <= ",
                now!(),
                "
                                 ORDER BY job LIMIT ?3)
                  RETURNING job, receipt, body"
            ))
            .bind(millis(hide))
            .bind(lane.to_string())
            .bind(limit)
            .fetch_all(&self.write)
            .await?;
            if !rows.is_empty() {
                return rows
                    .iter()
                    .map(|row| {
                        let (job, delivery) = (decode::id(row, "job")?, row.try_get("receipt")?);
                        Ok(RawMessage {
                            receipt: RawReceipt { lane: *lane, job, delivery },
                            body: row.try_get("body")?,
                        })
                    })
                    .collect();
            }
        }
        Ok(Vec::new())
    }

    /// Looking first with a reading connection keeps idle workers away from the write lock.
    pub(super) async fn has_messages(&self, lane: Lane) -> Result<bool> {
        let any = sqlx::query_scalar(concat!(
            "SELECT EXISTS (SELECT 1 FROM messages WHERE lane = ? AND visible_at <= ",
            now!(),
            ")"
        ))
        .bind(lane.to_string())
        .fetch_one(&self.read)
        .await?;
        Ok(any)
    }

    pub(crate) async fn ack_messages(&self, receipts: &[RawReceipt]) -> Result<()> {
        sqlx::query(concat!("DELETE FROM messages WHERE ", these_deliveries!()))
            .bind(named(receipts))
            .execute(&self.write)
            .await?;
        Ok(())
    }

    pub(crate) async fn release_messages(&self, receipts: &[RawReceipt]) -> Result<()> {
        sqlx::query(concat!(
            "UPDATE messages SET visible_at = ",
            now!(),
            " WHERE ",
            these_deliveries!()
        ))
        .bind(named(receipts))
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

fn named(receipts: &[RawReceipt]) -> String {
    let named = receipts
        .iter()
        .map(|RawReceipt { lane, job, delivery }| json!([lane.to_string(), job, delivery]));
    named.collect::<serde_json::Value>().to_string()
}
