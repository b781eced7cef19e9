use std::time::Duration;

use reelfleet_job::WorkerId;
use uuid::Uuid;

use super::{Postgres, decode, millis};
use crate::{NewWorker, Result, Worker, WorkerState, decode::worker_columns};

impl Postgres {
    pub(crate) async fn worker_started(&self, new: &NewWorker) -> Result<()> {
        sqlx::query(
            "INSERT INTO workers (id, host, pid, state, concurrency, started_at, seen_at)
             VALUES ($1, $2, $3, 'active', $4, now_ms(), now_ms())",
        )
        .bind(Uuid::from(new.id))
        .bind(&new.host)
        .bind(i64::from(new.pid))
        .bind(i64::from(new.concurrency))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn worker_seen(&self, id: WorkerId, state: WorkerState) -> Result<()> {
        sqlx::query("UPDATE workers SET state = $1, seen_at = now_ms() WHERE id = $2")
            .bind(state.as_str())
            .bind(Uuid::from(id))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn workers(&self, silent: Duration) -> Result<Vec<Worker>> {
        let rows = sqlx::query(concat!(
            "SELECT ", worker_columns!(), " FROM (
                SELECT w.id, w.host, w.pid, w.concurrency, w.started_at, w.seen_at,
                       CASE WHEN w.seen_at < now_ms() - $1 THEN 'gone' ELSE w.state END AS state,
                       (SELECT count(*) FROM jobs j WHERE j.state = 'running' AND j.worker = w.id) AS running
                  FROM workers w WHERE w.seen_at >= now_ms() - 3600000) AS seen
              ORDER BY CASE state WHEN 'active' THEN 0 WHEN 'draining' THEN 1 ELSE 2 END, id DESC LIMIT 1000"
        ))
        .bind(millis(silent))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(decode::worker).collect()
    }
}
