//! Which process has which duty, by a lease.

use std::time::Duration;

use reelfleet_runtime::Timestamp;
use uuid::Uuid;

use super::{Sqlite, millis, now};
use crate::{CLOCK_WAS_WRONG, Result};

impl Sqlite {
    pub(crate) async fn take_duty(
        &self,
        duty: &str,
        holder: Uuid,
        lease: Duration,
    ) -> Result<Option<u64>> {
        let holder = holder.to_string();
        // A look with a reading connection first: who waits for a duty writes nothing.
        let taken: bool = sqlx::query_scalar(concat!(
            "SELECT EXISTS (SELECT 1 FROM duties WHERE name = ? AND holder <> ? AND lease_until > ",
            now!(),
            ")"
        ))
        .bind(duty)
        .bind(&holder)
        .fetch_one(&self.read)
        .await?;
        if taken {
            return Ok(None);
        }
        let epoch: Option<i64> = sqlx::query_scalar(concat!(
            "INSERT INTO duties AS d (name, holder, epoch, lease_until) VALUES (?1, ?2, 1, ",
            now!(),
            " + ?3)
             ON CONFLICT (name) DO UPDATE
                SET epoch = d.epoch + (d.holder <> ?2), holder = ?2, lease_until = ",
            now!(),
            " + ?3
              WHERE d.holder = ?2 OR d.lease_until <= ",
            now!(),
            " RETURNING epoch"
        ))
        .bind(duty)
        .bind(&holder)
        .bind(millis(lease))
        .fetch_optional(&self.write)
        .await?;
        Ok(epoch.map(i64::unsigned_abs))
    }

    pub(crate) async fn leave_duty(&self, duty: &str, holder: Uuid) -> Result<()> {
        sqlx::query("UPDATE duties SET lease_until = 0 WHERE name = ? AND holder = ?")
            .bind(duty)
            .bind(holder.to_string())
            .execute(&self.write)
            .await?;
        Ok(())
    }

    pub(crate) async fn take_turn(
        &self,
        duty: &str,
        period: Duration,
    ) -> Result<Option<Timestamp>> {
        let slot: Option<i64> = sqlx::query_scalar(concat!(
            "INSERT INTO turns AS t (duty, slot) VALUES (?1, ",
            now!(),
            " / ?2 * ?2)
             ON CONFLICT (duty) DO UPDATE SET slot = excluded.slot
              WHERE t.slot < excluded.slot OR t.slot > excluded.slot + ?3
             RETURNING slot"
        ))
        .bind(duty)
        .bind(millis(period).max(1))
        .bind(millis(CLOCK_WAS_WRONG))
        .fetch_optional(&self.write)
        .await?;
        Ok(slot.map(Timestamp::from_millis))
    }
}
