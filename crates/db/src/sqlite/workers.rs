use std::time::Duration;

use reelfleet_job::WorkerId;

use super::{Sqlite, decode, millis, now};
use crate::{NewWorker, Result, Worker, WorkerState, decode::worker_columns};

impl Sqlite {
    pub(crate) async fn worker_started(&self, new: &NewWorker) -> Result<()> {
        sqlx::query(concat!(
            "INSERT INTO workers (id, host, pid, state, concurrency, started_at, seen_at)
             VALUES (?, ?, ?, 'active', ?, ",
            now!(),
            ", ",
            now!(),
            ")"
        ))
        .bind(new.id.to_string())
        .bind(&new.host)
        .bind(new.pid)
        .bind(new.concurrency)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    pub(crate) async fn worker_seen(&self, id: WorkerId, state: WorkerState) -> Result<()> {
        sqlx::query(concat!("UPDATE workers SET state = ?, seen_at = ", now!(), " WHERE id = ?"))
            .bind(state.as_str())
            .bind(id.to_string())
            .execute(&self.write)
            .await?;
        Ok(())
    }

    pub(crate) async fn workers(&self, silent: Duration) -> Result<Vec<Worker>> {
        let rows = sqlx::query(concat!(
            "SELECT ", worker_columns!(), " FROM (
                SELECT w.id, w.host, w.pid, w.concurrency, w.started_at, w.seen_at,
                       iif(w.seen_at < ", now!(), " - ?1, 'gone', w.state) AS state,
                       (SELECT count(*) FROM jobs j WHERE j.state = 'running' AND j.worker = w.id) AS running
                  FROM workers w WHERE w.seen_at >= ", now!(), " - 3600000)
              ORDER BY CASE state WHEN 'active' THEN 0 WHEN 'draining' THEN 1 ELSE 2 END, id DESC LIMIT 1000"
        ))
        .bind(millis(silent))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(decode::worker).collect()
    }
}
