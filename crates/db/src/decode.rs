//! Rows into records, for every database alike, and the columns that each record is read from.
//!
//! Columns are named, and never all of them asked for: a statement that was prepared before a
//! migration must not come to have more of them after it.

/// Of the table alone: RETURNING takes them, too.
macro_rules! user_columns {
    () => {
        "id, email, password_hash, role, token_version, created_at"
    };
}
pub(crate) use user_columns;

/// A job with who discarded it, if anybody did: that is the last thing that can happen to it.
macro_rules! job_rows {
    () => {
        "SELECT j.id, j.payload, j.priority, j.state, j.owner, j.run_at, j.attempts, j.max_attempts,
                j.epoch, j.lease_until, j.worker, j.cancel_requested, j.progress, j.error_code,
                j.error_message, j.created_at, j.started_at, j.finished_at,
                a.actor AS discarded_by, a.at AS discarded_at
           FROM jobs j LEFT JOIN audit a ON a.job = j.id AND a.action = 'discard' "
    };
}
pub(crate) use job_rows;

/// Of a video `v` and its job `j`. Its `files` are told by each database in its own way.
macro_rules! video_columns {
    () => {
        "v.id, v.owner, v.job, v.title, v.profile, v.source_bytes, v.source_ms, v.fingerprint,
         v.created_at, v.duration_ms, v.width, v.height, j.priority, j.run_at, j.state, j.progress,
         j.cancel_requested, j.started_at, j.finished_at, j.error_code, j.error_message"
    };
}
pub(crate) use video_columns;

/// Where a file is stored goes by its video's job.
macro_rules! stored_file_rows {
    () => {
        "SELECT f.name, f.kind, f.content_type, f.bytes, f.epoch, v.job
           FROM files f JOIN videos v ON v.id = f.video "
    };
}
pub(crate) use stored_file_rows;

/// `state` and `running` are worked out by each database.
macro_rules! worker_columns {
    () => {
        "id, host, pid, state, concurrency, running, started_at, seen_at"
    };
}
pub(crate) use worker_columns;

/// Declares the decoders of one database's rows. Its module has `id` and `optional_id`,
/// as databases store ids differently.
macro_rules! decoders {
    ($row:ty) => {
        use std::str::FromStr;

        use reelfleet_job::{Payload, Reason, State};
        use reelfleet_runtime::Timestamp;
        use sqlx::Row;

        use $crate::{
            Attempt, Discarded, Error, File, Job, Result, Role, StoredFile, User, Video, Worker,
            WorkerState,
        };

        /// Text of a column as a type of ours.
        pub(crate) fn word<T>(row: &$row, column: &str) -> Result<T>
        where
            T: FromStr,
            T::Err: std::fmt::Display,
        {
            row.try_get::<&str, _>(column)?.parse().map_err(Error::damaged)
        }

        /// A count that is never negative.
        pub(crate) fn count<T: TryFrom<i64>>(row: &$row, column: &str) -> Result<T> {
            let value: i64 = row.try_get(column)?;
            T::try_from(value).map_err(|_| Error::damaged(format!("{column} is {value}")))
        }

        fn optional_count<T: TryFrom<i64>>(row: &$row, column: &str) -> Result<Option<T>> {
            match row.try_get::<Option<i64>, _>(column)? {
                Some(_) => count(row, column).map(Some),
                None => Ok(None),
            }
        }

        fn moment(row: &$row, column: &str) -> Result<Timestamp> {
            Ok(Timestamp::from_millis(row.try_get(column)?))
        }

        fn optional_moment(row: &$row, column: &str) -> Result<Option<Timestamp>> {
            Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
        }

        fn reason(row: &$row) -> Result<Option<Reason>> {
            let code: Option<String> = row.try_get("error_code")?;
            let message: Option<String> = row.try_get("error_message")?;
            Ok(code.map(|code| Reason::new(code, message.unwrap_or_default())))
        }

        fn payload(row: &$row) -> Result<Payload> {
            serde_json::from_str(row.try_get("payload")?).map_err(Error::damaged)
        }

        pub(crate) fn user(row: &$row) -> Result<User> {
            Ok(User {
                id: id(row, "id")?,
                email: row.try_get("email")?,
                password_hash: row.try_get("password_hash")?,
                role: match row.try_get::<&str, _>("role")? {
                    "operator" => Role::Operator,
                    _ => Role::User,
                },
                token_version: count(row, "token_version")?,
                created_at: moment(row, "created_at")?,
            })
        }

        pub(crate) fn job(row: &$row) -> Result<Job> {
            let state = word(row, "state")?;
            Ok(Job {
                id: id(row, "id")?,
                payload: payload(row)?,
                priority: word(row, "priority")?,
                state,
                owner: id(row, "owner")?,
                run_at: moment(row, "run_at")?,
                attempts: count(row, "attempts")?,
                max_attempts: count(row, "max_attempts")?,
                epoch: count(row, "epoch")?,
                lease_until: optional_moment(row, "lease_until")?,
                worker: optional_id(row, "worker")?.filter(|_| state == State::Running),
                cancel_requested: row.try_get("cancel_requested")?,
                progress: row.try_get("progress")?,
                error: reason(row)?,
                created_at: moment(row, "created_at")?,
                started_at: optional_moment(row, "started_at")?,
                finished_at: optional_moment(row, "finished_at")?,
                discarded: match optional_moment(row, "discarded_at")? {
                    Some(at) => Some(Discarded { by: row.try_get("discarded_by")?, at }),
                    None => None,
                },
            })
        }

        pub(crate) fn attempt(row: &$row) -> Result<Attempt> {
            Ok(Attempt {
                epoch: count(row, "epoch")?,
                worker: id(row, "worker")?,
                started_at: moment(row, "started_at")?,
                ended_at: optional_moment(row, "ended_at")?,
                outcome: row.try_get("outcome")?,
                error: reason(row)?,
            })
        }

        /// The files come as one JSON array with the row, so that a page of videos is one statement.
        pub(crate) fn video(row: &$row) -> Result<Video> {
            let files: Vec<(String, String, String, u64)> =
                serde_json::from_str(row.try_get("files")?).map_err(Error::damaged)?;
            let state: State = word(row, "state")?;
            Ok(Video {
                id: id(row, "id")?,
                owner: id(row, "owner")?,
                job: id(row, "job")?,
                title: row.try_get("title")?,
                profile: row.try_get("profile")?,
                priority: word(row, "priority")?,
                status: state.into(),
                cancelling: row.try_get::<bool, _>("cancel_requested")? && !state.is_closed(),
                progress: row.try_get("progress")?,
                source_bytes: count(row, "source_bytes")?,
                source_duration: row
                    .try_get::<Option<i64>, _>("source_ms")?
                    .map(|ms| std::time::Duration::from_millis(ms.max(0).unsigned_abs())),
                created_at: moment(row, "created_at")?,
                due_at: moment(row, "run_at")?,
                started_at: optional_moment(row, "started_at")?,
                finished_at: optional_moment(row, "finished_at")?,
                duration_s: row
                    .try_get::<Option<i64>, _>("duration_ms")?
                    .map(|millis| millis as f64 / 1000.0),
                width: optional_count(row, "width")?,
                height: optional_count(row, "height")?,
                // Of a job that was discarded, or cancelled between two tries, it is history.
                error: if state == State::Cancelled { None } else { reason(row)? },
                files: files
                    .into_iter()
                    .map(|(name, kind, content_type, bytes)| File {
                        name,
                        kind,
                        content_type,
                        bytes,
                    })
                    .collect(),
            })
        }

        pub(crate) fn stored_file(row: &$row) -> Result<StoredFile> {
            Ok(StoredFile {
                job: id(row, "job")?,
                epoch: count(row, "epoch")?,
                file: File {
                    name: row.try_get("name")?,
                    kind: row.try_get("kind")?,
                    content_type: row.try_get("content_type")?,
                    bytes: count(row, "bytes")?,
                },
            })
        }

        pub(crate) fn worker(row: &$row) -> Result<Worker> {
            Ok(Worker {
                id: id(row, "id")?,
                host: row.try_get("host")?,
                pid: count(row, "pid")?,
                state: match row.try_get::<&str, _>("state")? {
                    "active" => WorkerState::Active,
                    "draining" => WorkerState::Draining,
                    _ => WorkerState::Gone,
                },
                concurrency: count(row, "concurrency")?,
                running: count(row, "running")?,
                started_at: moment(row, "started_at")?,
                seen_at: moment(row, "seen_at")?,
            })
        }
    };
}
pub(crate) use decoders;
