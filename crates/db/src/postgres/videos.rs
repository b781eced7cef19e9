use reelfleet_job::{JobId, Payload, UserId, VideoId};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{Postgres, decode, millis, whole};
use crate::{
    Error, NewVideo, Page, Result, StoredFile, Submitted, Topic, User, Video, VideoFilter,
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
                (SELECT coalesce(json_agg(json_build_array(f.name, f.kind, f.content_type, f.bytes) ORDER BY f.name), '[]')::text
                   FROM files f WHERE f.video = v.id AND f.kind NOT IN ('segment', 'init')) AS files
           FROM videos v JOIN jobs j ON j.id = v.job "
        )
    };
}

impl Postgres {
    pub(crate) async fn submit_video(&self, new: &NewVideo) -> Result<Submitted> {
        match self.insert_video(new).await {
            // Another call with the same key was quicker: this one is its repetition.
            Err(Error::Taken) if new.idempotency_key.is_some() => {}
            submitted => return Ok(Submitted::New(Box::new(submitted?))),
        }
        let key = new.idempotency_key.as_deref().unwrap_or_default();
        match self.video_by_key(new.owner, key).await? {
            Some((video, fingerprint)) if fingerprint == new.fingerprint => {
                Ok(Submitted::Repeated(Box::new(video)))
            }
            Some(_) => Ok(Submitted::KeyReused),
            // Deleted in between, which frees the key.
            None => Ok(Submitted::New(Box::new(self.insert_video(new).await?))),
        }
    }

    async fn insert_video(&self, new: &NewVideo) -> Result<Video> {
        let job = Uuid::from(JobId::generate());
        let payload = Payload::Transcode { video: new.id, profile: new.profile.clone() };
        let mut transaction = self.begin().await?;
        sqlx::query(
            "WITH job AS (
                INSERT INTO jobs (id, kind, payload, priority, state, owner, run_at, max_attempts, created_at)
                VALUES ($1, $2, $3, $4, 'queued', $5, now_ms(), $6, now_ms()))
             INSERT INTO videos (id, owner, job, title, profile, source_bytes, source_ms, idempotency_key,
                                 fingerprint, created_at)
             VALUES ($7, $5, $1, $8, $9, $10, $11, $12, $13, now_ms())",
        )
        .bind(job)
        .bind(payload.kind().as_str())
        .bind(serde_json::to_string(&payload).map_err(Error::damaged)?)
        .bind(new.priority.as_str())
        .bind(Uuid::from(new.owner))
        .bind(i64::from(new.max_attempts))
        .bind(Uuid::from(new.id))
        .bind(&new.title)
        .bind(&new.profile)
        .bind(whole(new.source_bytes))
        .bind(new.source_duration.map(millis))
        .bind(&new.idempotency_key)
        .bind(&new.fingerprint)
        .execute(&mut *transaction)
        .await?;
        let row = sqlx::query(concat!(video_rows!(), "WHERE v.id = $1"))
            .bind(Uuid::from(new.id))
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.bell.ring(Topic::Changes);
        decode::video(&row)
    }

    pub(crate) async fn video_by_key(
        &self,
        owner: UserId,
        key: &str,
    ) -> Result<Option<(Video, String)>> {
        let row =
            sqlx::query(concat!(video_rows!(), "WHERE v.owner = $1 AND v.idempotency_key = $2"))
                .bind(Uuid::from(owner))
                .bind(key)
                .fetch_optional(&self.pool)
                .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((decode::video(&row)?, row.try_get("fingerprint")?)))
    }

    pub(crate) async fn video(&self, owner: UserId, id: VideoId) -> Result<Option<Video>> {
        let row = sqlx::query(concat!(
            video_rows!(),
            "WHERE v.id = $1 AND v.owner = $2 AND v.deleted_at IS NULL"
        ))
        .bind(Uuid::from(id))
        .bind(Uuid::from(owner))
        .fetch_optional(&self.pool)
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
             WHERE v.id = $1 AND v.owner = $2 AND v.deleted_at IS NULL AND u.token_version = $3"
        ))
        .bind(Uuid::from(id))
        .bind(Uuid::from(owner.id))
        .bind(whole(owner.token_version))
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(decode::video).transpose()
    }

    pub(crate) async fn videos(&self, owner: UserId, filter: &VideoFilter) -> Result<Page<Video>> {
        let states = filter.status.map(|status| {
            status.states().iter().map(|state| state.as_str().to_owned()).collect::<Vec<_>>()
        });
        let rows = sqlx::query(concat!(
            video_rows!(),
            "WHERE v.owner = $1 AND v.deleted_at IS NULL AND ($2::uuid IS NULL OR v.id < $2)
               AND ($3::text[] IS NULL OR j.state = ANY ($3))
             ORDER BY v.id DESC LIMIT $4"
        ))
        .bind(Uuid::from(owner))
        .bind(filter.before.map(Uuid::from))
        .bind(states)
        .bind(i64::from(filter.limit) + 1)
        .fetch_all(&self.pool)
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
            "WHERE f.video = $1 AND f.name = $2 AND v.owner = $3 AND v.deleted_at IS NULL"
        ))
        .bind(Uuid::from(video))
        .bind(name)
        .bind(Uuid::from(owner))
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(decode::stored_file).transpose()
    }

    pub(crate) async fn delete_video(&self, owner: UserId, id: VideoId) -> Result<bool> {
        let mut transaction = self.begin().await?;
        // The key goes with the video: the same upload may be made again.
        let job: Option<Uuid> = sqlx::query_scalar(
            "UPDATE videos SET idempotency_key = NULL, deleted_at = now_ms()
              WHERE id = $1 AND owner = $2 AND deleted_at IS NULL RETURNING job",
        )
        .bind(Uuid::from(id))
        .bind(Uuid::from(owner))
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(job) = job else { return Ok(false) };
        super::jobs::ask_to_stop(&mut transaction, job).await?;
        transaction.commit().await?;
        self.bell.ring(Topic::Changes);
        Ok(true)
    }

    pub(crate) async fn cancel_video(&self, owner: UserId, id: VideoId) -> Result<Option<Video>> {
        let mut transaction = self.begin().await?;
        let Some(job): Option<Uuid> = sqlx::query_scalar(
            "SELECT job FROM videos WHERE id = $1 AND owner = $2 AND deleted_at IS NULL",
        )
        .bind(Uuid::from(id))
        .bind(Uuid::from(owner))
        .fetch_optional(&mut *transaction)
        .await?
        else {
            return Ok(None);
        };
        super::jobs::ask_to_stop(&mut transaction, job).await?;
        transaction.commit().await?;
        self.bell.ring(Topic::Changes);
        self.video(owner, id).await
    }

    pub(crate) async fn unfinished_videos(&self, owner: UserId) -> Result<u64> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM jobs WHERE owner = $1 AND kind = 'transcode'
                AND state IN ('scheduled', 'queued', 'running')",
        )
        .bind(Uuid::from(owner))
        .fetch_one(&self.pool)
        .await?;
        Ok(count.unsigned_abs())
    }

    pub(crate) async fn deleted_videos(&self, limit: u32) -> Result<Vec<(VideoId, JobId)>> {
        let rows = sqlx::query(
            "SELECT v.id, v.job FROM videos v JOIN jobs j ON j.id = v.job
              WHERE v.deleted_at IS NOT NULL AND j.state IN ('done', 'dead', 'cancelled') LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((decode::id(row, "id")?, decode::id(row, "job")?))).collect()
    }

    pub(crate) async fn purge_video(&self, id: VideoId) -> Result<()> {
        let mut transaction = self.begin().await?;
        let job: Option<Uuid> = sqlx::query_scalar(
            "DELETE FROM videos WHERE id = $1 AND deleted_at IS NOT NULL RETURNING job",
        )
        .bind(Uuid::from(id))
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(job) = job {
            sqlx::query("DELETE FROM jobs WHERE id = $1")
                .bind(job)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await.map_err(Error::from)
    }

    pub(crate) async fn video_exists(&self, id: VideoId) -> Result<bool> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM videos WHERE id = $1)")
            .bind(Uuid::from(id))
            .fetch_one(&self.pool)
            .await?)
    }
}

/// Locks the video of a job, for whoever changes both: see [`Postgres::begin`]. What is asked of it
/// next sees a delete that was under way.
pub(super) async fn lock(connection: &mut PgConnection, job: JobId) -> Result<()> {
    sqlx::query("SELECT 1 FROM videos WHERE job = $1 FOR UPDATE")
        .bind(Uuid::from(job))
        .execute(connection)
        .await?;
    Ok(())
}
