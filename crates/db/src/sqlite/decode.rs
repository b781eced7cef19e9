//! Rows into records.

use std::str::FromStr;

use reelfleet_job::{Payload, Reason, State};
use reelfleet_runtime::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};

use crate::{Attempt, Discarded, Error, File, Job, Result, Role, User, Video, Worker, WorkerState};

/// Text of a column as a type of ours.
pub(super) fn word<T>(row: &SqliteRow, column: &str) -> Result<T>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    row.try_get::<&str, _>(column)?.parse().map_err(Error::damaged)
}

fn optional_word<T>(row: &SqliteRow, column: &str) -> Result<Option<T>>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    match row.try_get::<Option<&str>, _>(column)? {
        Some(text) => text.parse().map(Some).map_err(Error::damaged),
        None => Ok(None),
    }
}

/// A count that is never negative.
pub(super) fn count<T: TryFrom<i64>>(row: &SqliteRow, column: &str) -> Result<T> {
    let value: i64 = row.try_get(column)?;
    T::try_from(value).map_err(|_| Error::damaged(format!("{column} is {value}")))
}

fn moment(row: &SqliteRow, column: &str) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

fn optional_moment(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
}

fn reason(row: &SqliteRow) -> Result<Option<Reason>> {
    let code: Option<String> = row.try_get("error_code")?;
    let message: Option<String> = row.try_get("error_message")?;
    Ok(code.map(|code| Reason::new(code, message.unwrap_or_default())))
}

pub(super) fn payload(row: &SqliteRow) -> Result<Payload> {
    serde_json::from_str(row.try_get("payload")?).map_err(Error::damaged)
}

pub(super) fn user(row: &SqliteRow) -> Result<User> {
    Ok(User {
        id: word(row, "id")?,
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

pub(super) fn job(row: &SqliteRow) -> Result<Job> {
    Ok(Job {
        id: word(row, "id")?,
        payload: payload(row)?,
        priority: word(row, "priority")?,
        state: word(row, "state")?,
        owner: word(row, "owner")?,
        run_at: moment(row, "run_at")?,
        attempts: count(row, "attempts")?,
        max_attempts: count(row, "max_attempts")?,
        epoch: count(row, "epoch")?,
        lease_until: optional_moment(row, "lease_until")?,
        worker: optional_word(row, "worker")?,
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

pub(super) fn attempt(row: &SqliteRow) -> Result<Attempt> {
    Ok(Attempt {
        epoch: count(row, "epoch")?,
        worker: word(row, "worker")?,
        started_at: moment(row, "started_at")?,
        ended_at: optional_moment(row, "ended_at")?,
        outcome: row.try_get("outcome")?,
        error: reason(row)?,
    })
}

/// The files come as one JSON array with the row, so that a page of videos is one statement.
pub(super) fn video(row: &SqliteRow) -> Result<Video> {
    let files: Vec<(String, String, String, u64)> =
        serde_json::from_str(row.try_get("files")?).map_err(Error::damaged)?;
    let state: State = word(row, "state")?;
    Ok(Video {
        id: word(row, "id")?,
        owner: word(row, "owner")?,
        job: word(row, "job")?,
        title: row.try_get("title")?,
        profile: row.try_get("profile")?,
        priority: word(row, "priority")?,
        status: state.into(),
        cancelling: row.try_get::<bool, _>("cancel_requested")? && !state.is_closed(),
        progress: row.try_get("progress")?,
        source_bytes: count(row, "source_bytes")?,
        created_at: moment(row, "created_at")?,
        started_at: optional_moment(row, "started_at")?,
        finished_at: optional_moment(row, "finished_at")?,
        duration_s: row
            .try_get::<Option<i64>, _>("duration_ms")?
            .map(|millis| millis as f64 / 1000.0),
        width: row.try_get("width")?,
        height: row.try_get("height")?,
        // Of a job that was discarded, or cancelled between two tries, it is history.
        error: if state == State::Cancelled { None } else { reason(row)? },
        files: files
            .into_iter()
            .map(|(name, kind, content_type, bytes)| File { name, kind, content_type, bytes })
            .collect(),
    })
}

pub(super) fn worker(row: &SqliteRow) -> Result<Worker> {
    Ok(Worker {
        id: word(row, "id")?,
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
