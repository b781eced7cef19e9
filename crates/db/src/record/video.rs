use std::time::Duration;

use reelfleet_job::{JobId, Priority, Reason, UserId, VideoId, VideoStatus};
use reelfleet_runtime::Timestamp;

/// A video that was uploaded, about to be recorded together with its job.
#[derive(Debug, Clone)]
pub struct NewVideo {
    /// Id; its source is stored under it already.
    pub id: VideoId,
    /// Who uploaded it.
    pub owner: UserId,
    /// As the owner calls it.
    pub title: String,
    /// Name of the profile.
    pub profile: String,
    /// How urgent.
    pub priority: Priority,
    /// Size of the source.
    pub source_bytes: u64,
    /// How long the source lasts, as its header claims.
    pub source_duration: Option<Duration>,
    /// The client's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// Hash over everything that was uploaded.
    pub fingerprint: String,
    /// Charged tries before the job is dead.
    pub max_attempts: u32,
}

/// What became of a submission.
#[derive(Debug, Clone)]
pub enum Submitted {
    /// Recorded, with its job due at once.
    New(Box<Video>),
    /// The same upload was recorded before under the same key.
    Repeated(Box<Video>),
    /// The key was used before for another upload.
    KeyReused,
}

/// One published file of a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Name under the video: letters, digits, `-`, `_`, `.` and `/`.
    pub name: String,
    /// `video`, `poster`, `playlist`, `init` or `segment`.
    pub kind: String,
    /// Media type to serve it with.
    pub content_type: String,
    /// Size.
    pub bytes: u64,
}

/// Where a published file is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// The job that made it.
    pub job: JobId,
    /// The epoch that published it.
    pub epoch: u64,
    /// The file.
    pub file: File,
}

/// A video with what its job came to so far.
#[derive(Debug, Clone)]
pub struct Video {
    /// Id.
    pub id: VideoId,
    /// Who uploaded it.
    pub owner: UserId,
    /// The job that makes its files.
    pub job: JobId,
    /// As the owner calls it.
    pub title: String,
    /// Name of the profile.
    pub profile: String,
    /// How urgent.
    pub priority: Priority,
    /// Where it is.
    pub status: VideoStatus,
    /// Its owner asked to stop it, and the worker has not done so yet.
    pub cancelling: bool,
    /// 0 to 1.
    pub progress: f64,
    /// Size of the source.
    pub source_bytes: u64,
    /// How long the source lasts, as its header claims.
    pub source_duration: Option<Duration>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When its job is or was due.
    pub due_at: Timestamp,
    /// When the last claim was.
    pub started_at: Option<Timestamp>,
    /// When its job was closed.
    pub finished_at: Option<Timestamp>,
    /// Seconds, of the result.
    pub duration_s: Option<f64>,
    /// Pixels, of the result.
    pub width: Option<u32>,
    /// Pixels, of the result.
    pub height: Option<u32>,
    /// Why it failed, or why the last try did.
    pub error: Option<Reason>,
    /// Its files, segments of streams left out.
    pub files: Vec<File>,
}

/// Which videos of an owner.
#[derive(Debug, Clone, Default)]
pub struct VideoFilter {
    /// Only those in this status.
    pub status: Option<VideoStatus>,
    /// At most so many.
    pub limit: u32,
    /// Only those older than this one.
    pub before: Option<VideoId>,
}

/// Rows and whether there are more.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Newest first.
    pub rows: Vec<T>,
    /// There are older ones.
    pub more: bool,
}

impl<T> Page<T> {
    /// One row more than asked for was read: whether it is there says whether there are more.
    pub(crate) fn of<R>(
        rows: &[R],
        limit: u32,
        decode: impl FnMut(&R) -> crate::Result<T>,
    ) -> crate::Result<Self> {
        let limit = limit as usize;
        let records = rows.iter().take(limit).map(decode).collect::<crate::Result<Vec<_>>>()?;
        Ok(Self { rows: records, more: rows.len() > limit })
    }
}

/// What a finished transcode publishes.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The video.
    pub video: VideoId,
    /// Seconds.
    pub duration_s: f64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Everything that was stored under the epoch.
    pub files: Vec<File>,
}
