//! The `database` queue: lanes as rows.

use std::{collections::HashSet, time::Duration};

use reelfleet_job::{Kind, Lane};
use sqlx::Row;
use uuid::Uuid;

use super::{Postgres, decode, millis};
use crate::{LaneDepth, RawMessage, RawReceipt, RawSend, Result, Topic};

/// Those of these deliveries that nothing came after, locked in the order of their jobs, as a send does.
macro_rules! these_deliveries {
    () => {
        "(SELECT m.lane, m.job FROM messages m
            JOIN unnest($1::text[], $2::uuid[], $3::bigint[]) AS r (lane, job, delivery)
              ON m.lane = r.lane AND m.job = r.job AND m.receipt = r.delivery
           ORDER BY m.job FOR UPDATE OF m) these
          WHERE messages.lane = these.lane AND messages.job = these.job"
    };
}

/// A message that is sent again, after one that was acknowledged, must not answer to old receipts.
macro_rules! first_delivery {
    () => {
        "(random() * 4503599627370496)::bigint"
    };
}
pub(super) use first_delivery;

impl Postgres {
    /// A message that is there already rings anew: whoever has it in hand can no longer acknowledge it away.
    pub(crate) async fn send_messages(&self, batch: &[RawSend]) -> Result<()> {
        // Rows are locked in the order of their jobs: two batches never wait for each other in a circle.
        let mut batch: Vec<_> = batch.iter().collect();
        batch.sort_by_key(|send| (send.job, send.lane));
        batch.dedup_by_key(|send| (send.job, send.lane));
        let along = self.bell.along(work(batch.iter().map(|send| send.lane.kind)));
        sqlx::query(concat!(
            "WITH message AS (INSERT INTO messages (lane, job, body, visible_at, receipt)
             SELECT lane, job, body, now_ms(), ",
            first_delivery!(),
            " FROM unnest($1::text[], $2::uuid[], $3::text[]) AS m (lane, job, body)
             ON CONFLICT (lane, job) DO UPDATE SET receipt = messages.receipt + 1,
                    visible_at = least(messages.visible_at, excluded.visible_at))
             SELECT pg_notify(channel, '') FROM unnest($4::text[]) AS along (channel)"
        ))
        .bind(batch.iter().map(|send| send.lane.to_string()).collect::<Vec<_>>())
        .bind(batch.iter().map(|send| Uuid::from(send.job)).collect::<Vec<_>>())
        .bind(batch.iter().map(|send| send.body.as_str()).collect::<Vec<_>>())
        .bind(&along.channels)
        .execute(&self.pool)
        .await?;
        self.bell.ring_later(&along);
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
                "WITH next AS (SELECT job FROM messages WHERE lane = $1 AND visible_at <= now_ms()
                                ORDER BY job LIMIT $2 FOR UPDATE SKIP LOCKED)
                 UPDATE messages m SET visible_at = now_ms() + $3, receipt = m.receipt + 1
                  WHERE m.lane = $1 AND m.job = ANY(ARRAY(SELECT job FROM next))
                 RETURNING m.job, m.receipt, m.body",
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
                    let (job, delivery) = (decode::id(row, "job")?, row.try_get("receipt")?);
                    Ok(RawMessage {
                        receipt: RawReceipt { lane: *lane, job, delivery },
                        body: row.try_get("body")?,
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            messages.sort_by_key(|message| message.receipt.job);
            return Ok(messages);
        }
        Ok(Vec::new())
    }

    pub(crate) async fn ack_messages(&self, receipts: &[RawReceipt]) -> Result<()> {
        let (lanes, jobs, deliveries) = columns(receipts);
        sqlx::query(concat!("DELETE FROM messages USING ", these_deliveries!()))
            .bind(lanes)
            .bind(jobs)
            .bind(deliveries)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn release_messages(&self, receipts: &[RawReceipt]) -> Result<()> {
        let (lanes, jobs, deliveries) = columns(receipts);
        sqlx::query(concat!(
            "UPDATE messages SET visible_at = now_ms() FROM ",
            these_deliveries!()
        ))
        .bind(lanes)
        .bind(jobs)
        .bind(deliveries)
        .execute(&self.pool)
        .await?;
        work(receipts.iter().map(|receipt| receipt.lane.kind))
            .for_each(|topic| self.bell.ring(topic));
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

/// What those who wait for jobs of these kinds listen to.
pub(super) fn work(kinds: impl Iterator<Item = Kind>) -> impl Iterator<Item = Topic> {
    let kinds: HashSet<_> = kinds.collect();
    kinds.into_iter().map(Topic::Work)
}

fn columns(receipts: &[RawReceipt]) -> (Vec<String>, Vec<Uuid>, Vec<i64>) {
    let named = |RawReceipt { lane, job, delivery }: &RawReceipt| {
        (lane.to_string(), Uuid::from(*job), *delivery)
    };
    receipts.iter().map(named).collect()
}
