//! What there is to do, in one statement and so of one moment.

use std::time::Duration;

use reelfleet_runtime::Timestamp;
use sqlx::Row;

use super::{Postgres, decode, millis};
use crate::{
    Result, Work,
    record::{self, lately, looked_at, size_class},
};

impl Postgres {
    pub(crate) async fn work(&self, silent: Duration) -> Result<Work> {
        // Of each lane sixteenths, so that whoever waits in it can be told how much stands before it.
        let row = sqlx::query(concat!(
            "SELECT now_ms() AS at,
                (SELECT count(*) FROM jobs WHERE state = 'scheduled' AND kind = 'transcode') AS scheduled,
                (SELECT count(*) FROM jobs WHERE state = 'dead') AS dead,
                (SELECT least(count(DISTINCT a.job), count(DISTINCT a.job) FILTER (WHERE a.outcome = 'retry')
                                                 + count(DISTINCT a.worker) FILTER (WHERE a.outcome = 'worker_lost'))
                   FROM attempts a JOIN jobs j ON j.id = a.job
                  WHERE a.job >= (lpad(to_hex(now_ms() - ", looked_at!(), "), 12, '0') || repeat('0', 20))::uuid
                    AND a.outcome IN ('retry', 'worker_lost') AND j.kind = 'transcode'
                    AND a.ended_at > greatest(now_ms() - ", lately!(), ",
                        (SELECT max(finished_at) FROM jobs WHERE state = 'done' AND kind = 'transcode'))) AS failing,
                (SELECT coalesce(json_agg(json_build_array(priority, profile, jobs, bytes, ms, first, last)), '[]')::text FROM (
                    SELECT priority, profile, count(*) AS jobs, sum(bytes) AS bytes, sum(ms) AS ms, min(run_at) AS first, max(run_at) AS last
                      FROM (SELECT j.priority, j.run_at, coalesce(v.profile, '') AS profile, coalesce(v.source_bytes, 0) AS bytes, v.source_ms AS ms,
                                   ntile(16) OVER (PARTITION BY j.priority ORDER BY j.run_at, j.id) AS part
                              FROM jobs j LEFT JOIN videos v ON v.job = j.id
                             WHERE j.state = 'queued' AND j.kind = 'transcode') AS placed
                     GROUP BY priority, part, profile, ms IS NULL, ", size_class!(), ") AS alike) AS waiting,
                (SELECT coalesce(json_agg(json_build_array(coalesce(v.profile, ''), coalesce(v.source_bytes, 0), v.source_ms,
                            CASE WHEN j.progress BETWEEN 0 AND 1 THEN j.progress ELSE 0 END,
                            greatest(0, now_ms() - j.started_at))), '[]')::text
                   FROM jobs j LEFT JOIN videos v ON v.job = j.id
                  WHERE j.state = 'running' AND j.kind = 'transcode') AS running,
                (SELECT coalesce(json_agg(json_build_array(v.profile, v.source_bytes, v.source_ms,
                            greatest(0, j.finished_at - j.started_at)) ORDER BY j.finished_at DESC), '[]')::text
                   FROM (SELECT id, started_at, finished_at FROM jobs WHERE state = 'done' AND kind = 'transcode'
                          ORDER BY finished_at DESC LIMIT 300) j JOIN videos v ON v.job = j.id) AS done,
                w.active, w.draining, w.slots
               FROM (SELECT count(*) FILTER (WHERE state = 'active') AS active,
                            count(*) FILTER (WHERE state = 'draining') AS draining,
                            coalesce(sum(concurrency) FILTER (WHERE state = 'active'), 0)::bigint AS slots
                       FROM workers WHERE state <> 'gone' AND seen_at >= now_ms() - $1) w"
        ))
        .bind(millis(silent))
        .fetch_one(&self.pool)
        .await?;
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
