//! What there is to do, in one statement and so of one moment.

use std::time::Duration;

use reelfleet_runtime::Timestamp;
use sqlx::Row;

use super::{Sqlite, decode, millis, now};
use crate::{
    Result, Work,
    record::{self, lately, looked_at, size_class},
};

/// Of each lane sixteenths, so that whoever waits in it can be told how much stands before it.
const WORK: &str = concat!(

            "SELECT ", now!(), " AS at,
                (SELECT count(*) FROM jobs WHERE state = 'scheduled' AND kind = 'transcode') AS scheduled,
                (SELECT count(*) FROM jobs WHERE state = 'dead') AS dead,
                (SELECT min(count(DISTINCT a.job), count(DISTINCT a.job) FILTER (WHERE a.outcome = 'retry')
                                               + count(DISTINCT a.worker) FILTER (WHERE a.outcome = 'worker_lost'))
                   FROM attempts a JOIN jobs j ON j.id = a.job
                  WHERE a.job >= (SELECT substr(hex, 1, 8) || '-' || substr(hex, 9)
                                    FROM (SELECT printf('%012x', ", now!(), " - ", looked_at!(), ") AS hex))
                    AND a.outcome IN ('retry', 'worker_lost') AND j.kind = 'transcode'
                    AND a.ended_at > max(", now!(), " - ", lately!(), ",
                        coalesce((SELECT max(finished_at) FROM jobs WHERE state = 'done' AND kind = 'transcode'), 0))) AS failing,
                (SELECT json_group_array(json_array(priority, profile, jobs, bytes, ms, first, last)) FROM (
                    SELECT priority, profile, count(*) AS jobs, sum(bytes) AS bytes, sum(ms) AS ms, min(run_at) AS first, max(run_at) AS last
                      FROM (SELECT j.priority, j.run_at, coalesce(v.profile, '') AS profile, coalesce(v.source_bytes, 0) AS bytes, v.source_ms AS ms,
                                   ntile(16) OVER (PARTITION BY j.priority ORDER BY j.run_at, j.id) AS part
                              FROM jobs j LEFT JOIN videos v ON v.job = j.id
                             WHERE j.state = 'queued' AND j.kind = 'transcode')
                     GROUP BY priority, part, profile, ms IS NULL, ", size_class!(), ")) AS waiting,
                (SELECT json_group_array(json_array(coalesce(v.profile, ''), coalesce(v.source_bytes, 0), v.source_ms,
                            iif(j.progress BETWEEN 0 AND 1, j.progress, 0), max(0, ", now!(), " - j.started_at)))
                   FROM jobs j LEFT JOIN videos v ON v.job = j.id
                  WHERE j.state = 'running' AND j.kind = 'transcode') AS running,
                (SELECT json_group_array(json_array(profile, source_bytes, source_ms, took)) FROM (
                    SELECT v.profile, v.source_bytes, v.source_ms, max(0, l.finished_at - l.started_at) AS took
                      FROM (SELECT id, started_at, finished_at FROM jobs WHERE state = 'done' AND kind = 'transcode'
                             ORDER BY finished_at DESC LIMIT 300) l CROSS JOIN videos v ON v.job = l.id
                     ORDER BY l.finished_at DESC)) AS done,
                w.active, w.draining, w.slots
               FROM (SELECT count(*) FILTER (WHERE state = 'active') AS active,
                            count(*) FILTER (WHERE state = 'draining') AS draining,
                            coalesce(sum(concurrency) FILTER (WHERE state = 'active'), 0) AS slots
                       FROM workers WHERE state <> 'gone' AND seen_at >= ", now!(), " - ?) w"
);

impl Sqlite {
    pub(crate) async fn work(&self, silent: Duration) -> Result<Work> {
        let row = sqlx::query(WORK).bind(millis(silent)).fetch_one(&self.read).await?;
        Ok(Work {
            at: Timestamp::from_millis(row.try_get("at")?),
            scheduled: decode::count(&row, "scheduled")?,
            waiting: record::waiting(row.try_get("waiting")?)?,
            running: record::running(row.try_get("running")?)?,
            dead: decode::count(&row, "dead")?,
            failing: decode::count(&row, "failing")?,
            active: decode::count(&row, "active")?,
            draining: decode::count(&row, "draining")?,
            slots: decode::count(&row, "slots")?,
            done: record::done(row.try_get("done")?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use reelfleet_job::{JobId, UserId};

    use super::*;

    /// Finished and counted: the planner knows how many there are.
    #[tokio::test]
    async fn of_a_hundred_thousand_finished_jobs_only_the_last_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("{}/test.db", folder.path().display());
        let db = Sqlite::open(&url).await.unwrap();
        db.migrate().await.unwrap();
        sqlx::query(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
             INSERT INTO jobs (id, kind, payload, priority, state, owner, run_at, max_attempts, created_at, started_at, finished_at)
             SELECT printf('%s%06d', substr(?, 1, 30), n), 'transcode', '', 'normal', 'done', ?, n, 3, n, n, n FROM n",
        )
        .bind(JobId::generate().to_string())
        .bind(UserId::generate().to_string())
        .execute(&db.write)
        .await
        .unwrap();
        sqlx::query("ANALYZE").execute(&db.write).await.unwrap();
        assert_eq!(db.work(Duration::from_secs(60)).await.unwrap().waiting_jobs(), 0);

        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {WORK}")))
            .bind(0)
            .fetch_all(&db.read)
            .await
            .unwrap();
        let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        for step in &steps {
            // The table itself, in the order of its ids.
            let whole =
                ["SCAN jobs", "SCAN j", "SCAN v", "SCAN videos", "SCAN a"].contains(&&**step);
            assert!(!whole, "{step}, in {steps:#?}");
        }
        let by_index = |index: &str| steps.iter().any(|step| step.contains(index));
        assert!(
            by_index("jobs_done") && by_index("jobs_running") && by_index("jobs_queued"),
            "{steps:#?}"
        );
    }
}
