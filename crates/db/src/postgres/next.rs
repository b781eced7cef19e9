//! The `database` queue and the claim in one statement, for jobs by the hundred.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reelfleet_job::{Lane, WorkerId};
use sqlx::Row;
use uuid::Uuid;

use super::{Postgres, claims::claim_due, decode, millis};
use crate::{RawTaken, Result, Topic};

/// So often a lane is looked at from its beginning, however full it is: what was released, or
/// committed late, stands there.
const WHOLE: Duration = Duration::from_millis(500);

/// How far each lane is taken.
///
/// As long as any session of the server holds an old snapshot, rows that are gone cannot be swept
/// up; a look from the beginning then goes over every message that ever was.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<Lane, Place>>>);

#[derive(Debug, Clone, Copy)]
struct Place {
    taken: i64,
    looked: Instant,
}

impl Places {
    /// The message after which to look. None: from the beginning.
    fn after(&self, lane: Lane) -> Option<i64> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.get(&lane).filter(|place| place.looked.elapsed() < WHOLE)?;
        Some(place.taken)
    }

    /// A look went so far. `whole`: it was one from the beginning.
    fn taken(&self, lane: Lane, taken: i64, whole: bool) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(lane).or_insert_with(|| Place { taken, looked: Instant::now() });
        place.taken = taken;
        if whole {
            place.looked = Instant::now();
        }
    }
}

impl Postgres {
    pub(crate) async fn claim_next(
        &self,
        lanes: &[Lane],
        limit: u32,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<RawTaken> {
        for lane in lanes {
            let place = self.places.after(*lane);
            let mut taken = self.claim_after(*lane, place, limit, worker, lease).await?;
            if taken.messages == 0 && place.is_some() {
                taken = self.claim_after(*lane, None, limit, worker, lease).await?;
            }
            if taken.messages > 0 {
                return Ok(taken);
            }
        }
        Ok(RawTaken::default())
    }

    async fn claim_after(
        &self,
        lane: Lane,
        place: Option<i64>,
        limit: u32,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<RawTaken> {
        // Jobs are locked in the order of their ids, as everywhere. Nobody who holds one waits for a message.
        let rows = sqlx::query(concat!(
            "WITH next AS (SELECT id, job FROM messages
                            WHERE lane = $1 AND id > $4 AND visible_at <= now_ms()
                            ORDER BY id LIMIT $5 FOR UPDATE SKIP LOCKED),
             gone AS (DELETE FROM messages m USING next WHERE m.id = next.id),
             due AS (SELECT j.id FROM jobs j JOIN next ON j.id = next.job
                      WHERE j.state = 'queued' ORDER BY j.id FOR UPDATE OF j),
             claimed AS (",
            claim_due!(),
            ")
             SELECT n.messages, n.last, c.* FROM (SELECT count(*) AS messages, max(id) AS last FROM next) n
               LEFT JOIN claimed c ON TRUE"
        ))
        .bind(lane.to_string())
        .bind(Uuid::from(worker))
        .bind(millis(lease))
        .bind(place.unwrap_or(i64::MIN))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let Some(first) = rows.first() else { return Ok(RawTaken::default()) };
        let messages = decode::count(first, "messages")?;
        if let Some(last) = first.try_get("last")? {
            self.places.taken(lane, last, place.is_none());
        }
        let mut claimed = Vec::with_capacity(rows.len());
        for row in &rows {
            if row.try_get::<Option<Uuid>, _>("id")?.is_some() {
                claimed.push(decode::claimed(row)?);
            }
        }
        if !claimed.is_empty() {
            self.bell.ring(Topic::Changes);
        }
        Ok(RawTaken { messages, claimed })
    }
}
