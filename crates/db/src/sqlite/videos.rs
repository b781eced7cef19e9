use reelfleet_job::{JobId, Payload, UserId, VideoId};
use sqlx::{Row, SqliteConnection};

use super::{Sqlite, decode, millis, now, users::token_version};
use crate::{
    Error, NewVideo, Page, Result, StoredFile, Submitted, User, Video, VideoFilter,
    decode::{stored_file_rows, video_columns},
};

/// A video with its job's state and its files. Segments of streams are left
/// out: an owner opens a playlist, not its parts.
macro_rules! video_rows {
    () => {
        concat!(
            "SELECT ",
            video_columns!(),
            ",
                (SELECT json_group_array(json_array(f.name, f.kind, f.content_type, f.bytes))
                   FROM files f WHERE f.video = v.id AND f.kind NOT IN ('segment', 'init')) AS files
           FROM videos v JOIN jobs j ON j.id = v.job "
        )
    };
}

impl Sqlite {
    pub(crate) async fn submit_video(&self, new: &NewVideo) -> Result<Submitted> {
        let mut transaction = self.begin().await?;
        if let Some(key) = &new.idempotency_key
            && let Some((video, fingerprint)) = by_key(&mut transaction, new.owner, key).await?
        {
            return Ok(if fingerprint == new.fingerprint {
                Submitted::Repeated(Box::new(video))
            } else {
                Submitted::KeyReused
            });
        }
        let job = JobId::generate();
        let payload = Payload::Transcode { video: new.id, profile: new.profile.clone() };
        sqlx::query(concat!(
            "INSERT INTO jobs (id, kind, payload, priority, state, owner, run_at, max_attempts, created_at)
             VALUES (?, ?, ?, ?, 'queued', ?, ", now!(), ", ?, ", now!(), ")"
        ))
        .bind(job.to_string())
        .bind(payload.kind().as_str())
        .bind(serde_json::to_string(&payload).map_err(Error::damaged)?)
        .bind(new.priority.as_str())
        .bind(new.owner.to_string())
        .bind(i64::from(new.max_attempts))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(concat!(
            "INSERT INTO videos (id, owner, job, title, profile, source_bytes, source_ms, idempotency_key,
                                 fingerprint, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ",
            now!(),
            ")"
        ))
        .bind(new.id.to_string())
        .bind(new.owner.to_string())
        .bind(job.to_string())
        .bind(&new.title)
        .bind(&new.profile)
        .bind(i64::try_from(new.source_bytes).unwrap_or(i64::MAX))
        .bind(new.source_duration.map(millis))
        .bind(&new.idempotency_key)
        .bind(&new.fingerprint)
        .execute(&mut *transaction)
        .await?;
        let row = sqlx::query(concat!(video_rows!(), "WHERE v.id = ?"))
            .bind(new.id.to_string())
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Submitted::New(Box::new(decode::video(&row)?)))
    }

    pub(crate) async fn video_by_key(
        &self,
        owner: UserId,
        key: &str,
    ) -> Result<Option<(Video, String)>> {
        let mut connection = self.read.acquire().await?;
        by_key(&mut connection, owner, key).await
    }

    pub(crate) async fn video(&self, owner: UserId, id: VideoId) -> Result<Option<Video>> {
        let row = sqlx::query(concat!(
            video_rows!(),
            "WHERE v.id = ? AND v.owner = ? AND v.deleted_at IS NULL"
        ))
        .bind(id.to_string())
        .bind(owner.to_string())
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(decode::video).transpose()
    }

    pub(crate) async fn video_in_session(
        &self,
        owner: &User,
        id: VideoId,
    ) -> Result<Option<Video>> {
        let row = sqlx::query(concat!(
            video_rows!(),
            "JOIN users u ON u.id = v.owner
             WHERE v.id = ? AND v.owner = ? AND v.deleted_at IS NULL AND u.token_version = ?"
        ))
        .bind(id.to_string())
        .bind(owner.id.to_string())
        .bind(token_version(owner))
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(decode::video).transpose()
    }

    pub(crate) async fn videos(&self, owner: UserId, filter: &VideoFilter) -> Result<Page<Video>> {
        let states = filter.status.map(|status| {
            let names: Vec<_> = status.states().iter().map(|state| state.as_str()).collect();
            serde_json::json!(names).to_string()
        });
        let rows = sqlx::query(concat!(
            video_rows!(),
            "WHERE v.owner = ?1 AND v.deleted_at IS NULL AND (?2 IS NULL OR v.id < ?2)
               AND (?3 IS NULL OR j.state IN (SELECT value FROM json_each(?3)))
             ORDER BY v.id DESC LIMIT ?4"
        ))
        .bind(owner.to_string())
        .bind(filter.before.map(|id| id.to_string()))
        .bind(states)
        .bind(i64::from(filter.limit) + 1)
        .fetch_all(&self.read)
        .await?;
        Page::of(&rows, filter.limit, decode::video)
    }

    pub(crate) async fn file(
        &self,
        owner: UserId,
        video: VideoId,
        name: &str,
    ) -> Result<Option<StoredFile>> {
        let row = sqlx::query(concat!(
            stored_file_rows!(),
            "WHERE f.video = ? AND f.name = ? AND v.owner = ? AND v.deleted_at IS NULL"
        ))
        .bind(video.to_string())
        .bind(name)
        .bind(owner.to_string())
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(decode::stored_file).transpose()
    }

    pub(crate) async fn delete_video(&self, owner: UserId, id: VideoId) -> Result<bool> {
        let mut transaction = self.begin().await?;
        // The key goes with the video: the same upload may be made again.
        let job: Option<String> = sqlx::query_scalar(concat!(
            "UPDATE videos SET idempotency_key = NULL, deleted_at = ",
            now!(),
            "
              WHERE id = ? AND owner = ? AND deleted_at IS NULL RETURNING job"
        ))
        .bind(id.to_string())
        .bind(owner.to_string())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(job) = job else { return Ok(false) };
        super::jobs::ask_to_stop(&mut transaction, &job).await?;
        transaction.commit().await?;
        Ok(true)
    }

    pub(crate) async fn cancel_video(&self, owner: UserId, id: VideoId) -> Result<Option<Video>> {
        let mut transaction = self.begin().await?;
        let Some(job): Option<String> = sqlx::query_scalar(
            "SELECT job FROM videos WHERE id = ? AND owner = ? AND deleted_at IS NULL",
        )
        .bind(id.to_string())
        .bind(owner.to_string())
        .fetch_optional(&mut *transaction)
        .await?
        else {
            return Ok(None);
        };
        super::jobs::ask_to_stop(&mut transaction, &job).await?;
        transaction.commit().await?;
        self.video(owner, id).await
    }

    pub(crate) async fn unfinished_videos(&self, owner: UserId) -> Result<u64> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM jobs WHERE owner = ? AND kind = 'transcode'
                AND state IN ('scheduled', 'queued', 'running')",
        )
        .bind(owner.to_string())
        .fetch_one(&self.read)
        .await?;
        Ok(count.unsigned_abs())
    }

    pub(crate) async fn deleted_videos(&self, limit: u32) -> Result<Vec<(VideoId, JobId)>> {
        let rows = sqlx::query(
            "SELECT v.id, v.job FROM videos v JOIN jobs j ON j.id = v.job
              WHERE v.deleted_at IS NOT NULL AND j.state IN ('done', 'dead', 'cancelled') LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(|row| Ok((decode::id(row, "id")?, decode::id(row, "job")?))).collect()
    }

    pub(crate) async fn purge_video(&self, id: VideoId) -> Result<()> {
        let mut transaction = self.begin().await?;
        let job: Option<String> = sqlx::query_scalar(
            "DELETE FROM videos WHERE id = ? AND deleted_at IS NOT NULL RETURNING job",
        )
        .bind(id.to_string())
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(job) = job {
            sqlx::query("DELETE FROM jobs WHERE id = ?")
                .bind(job)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await.map_err(Error::from)
    }

    pub(crate) async fn video_exists(&self, id: VideoId) -> Result<bool> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM videos WHERE id = ?)")
            .bind(id.to_string())
            .fetch_one(&self.read)
            .await?)
    }
}

async fn by_key(
    connection: &mut SqliteConnection,
    owner: UserId,
    key: &str,
) -> Result<Option<(Video, String)>> {
    let row = sqlx::query(concat!(video_rows!(), "WHERE v.owner = ? AND v.idempotency_key = ?"))
        .bind(owner.to_string())
        .bind(key)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((decode::video(&row)?, row.try_get("fingerprint")?)))
}
