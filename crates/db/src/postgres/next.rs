//! The `database` queue and the claim in one statement, for jobs by the hundred.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reelfleet_job::{Lane, WorkerId};
use sqlx::Row;
use uuid::Uuid;

use super::{
    Postgres,
    claims::{by_id, claim_due},
    decode, millis,
};
use crate::{RawTaken, Result, Topic};

/// So often a lane is looked at from its beginning, however full it is: what was released, comes
/// again, or was committed late stands there. Until then lower lanes may overtake it.
const WHOLE: Duration = Duration::from_millis(500);

/// How far each lane is taken.
///
/// As long as any session of the server holds an old snapshot, rows that are gone cannot be swept
/// up; a look from the beginning then goes over every message that ever was.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<Lane, Place>>>);

#[derive(Debug, Clone, Copy)]
struct Place {
    taken: Uuid,
    looked: Instant,
}

impl Places {
    /// The job after which to look. None: from the beginning.
    fn after(&self, lane: Lane) -> Option<Uuid> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.get(&lane).filter(|place| place.looked.elapsed() < WHOLE)?;
        Some(place.taken)
    }

    /// A look went so far. `whole`: it was one from the beginning.
    fn taken(&self, lane: Lane, taken: Uuid, whole: bool) {
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
        let places: Vec<_> = lanes.iter().map(|lane| self.places.after(*lane)).collect();
        match self.claim_after(lanes, &places, limit, worker, lease).await? {
            Some(taken) if taken.messages > 0 => return Ok(taken),
            None if places.iter().all(Option::is_none) => return Ok(RawTaken::default()),
            _ => {}
        }
        // What stands before the places, or behind a lane that others have their hands on.
        for lane in lanes {
            let taken = self.claim_after(&[*lane], &[None], limit, worker, lease).await?;
            if let Some(taken) = taken.filter(|taken| taken.messages > 0) {
                return Ok(taken);
            }
        }
        Ok(RawTaken::default())
    }

    /// Of the first of these lanes with a message after its place. None: no lane has any.
    async fn claim_after(
        &self,
        lanes: &[Lane],
        places: &[Option<Uuid>],
        limit: u32,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<Option<RawTaken>> {
        // Jobs are locked in the order of their ids, as everywhere. Nobody who holds one waits for a message.
        // A look into a lane has a limit, or the planner would join all messages to the lanes, and an
        // order, or it would read them from the table's beginning. What was found is named in an array: of
        // a limit that it does not know the planner takes a tenth of the table, and joins the whole.
        let rows = sqlx::query(concat!(
            "WITH lane AS (SELECT l.name, l.place, l.nth FROM unnest($1::text[], $4::uuid[]) WITH ORDINALITY AS l (name, place, nth)
                            WHERE (SELECT TRUE FROM messages m WHERE m.lane = l.name AND m.job > l.place
                                      AND m.visible_at <= now_ms()
                                    ORDER BY m.job LIMIT 1)
                            ORDER BY l.nth LIMIT 1),
             next AS (SELECT job FROM messages
                       WHERE lane = (SELECT name FROM lane) AND job > (SELECT place FROM lane) AND visible_at <= now_ms()
                       ORDER BY job LIMIT $5 FOR UPDATE SKIP LOCKED),
             gone AS (DELETE FROM messages WHERE lane = (SELECT name FROM lane) AND job = ANY(ARRAY(SELECT job FROM next))),
             due AS (SELECT id FROM jobs WHERE id = ANY(ARRAY(SELECT job FROM next)) AND ",
            by_id!("queued"),
            " ORDER BY id FOR UPDATE),
             claimed AS (",
            claim_due!(),
            ")
             SELECT n.messages, n.last, (SELECT nth - 1 FROM lane) AS lane,
                    c.id, c.epoch, c.attempts, c.max_attempts, c.payload
               FROM (SELECT count(*) AS messages, (SELECT job FROM next ORDER BY job DESC LIMIT 1) AS last FROM next) n
               LEFT JOIN claimed c ON TRUE"
        ))
        .bind(lanes.iter().map(ToString::to_string).collect::<Vec<_>>())
        .bind(Uuid::from(worker))
        .bind(millis(lease))
        .bind(places.iter().map(|place| place.unwrap_or(Uuid::nil())).collect::<Vec<_>>())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let Some(lane) = first.try_get::<Option<i64>, _>("lane")? else { return Ok(None) };
        let lane = usize::try_from(lane).unwrap_or(usize::MAX);
        if let Some(last) = first.try_get("last")?
            && let (Some(lane), Some(place)) = (lanes.get(lane), places.get(lane))
        {
            self.places.taken(*lane, last, place.is_none());
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
        Ok(Some(RawTaken { messages: decode::count(first, "messages")?, claimed }))
    }
}
