use reelfleet_db::Video;
use reelfleet_job::Reason;
use reelfleet_runtime::Timestamp;
use serde::Serialize;

/// A video.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct VideoBody {
    /// Id.
    id: String,
    /// As its owner calls it.
    title: String,
    /// `queued`, `processing`, `ready`, `failed` or `cancelled`.
    status: &'static str,
    /// Name of its profile.
    profile: String,
    /// `high`, `normal` or `low`.
    priority: &'static str,
    /// 0 to 1.
    progress: f64,
    /// Its owner asked to stop it, and its worker has not done so yet.
    cancelling: bool,
    /// When it was uploaded.
    #[schema(format = "date-time")]
    created_at: String,
    /// When a worker last began with it.
    #[schema(format = "date-time")]
    started_at: Option<String>,
    /// When its final state was reached.
    #[schema(format = "date-time")]
    finished_at: Option<String>,
    /// When it should be ready, as far as can be told; null once it is final.
    #[schema(format = "date-time")]
    expected_at: Option<String>,
    /// Seconds, of the result.
    duration_s: Option<f64>,
    /// Pixels, of the result.
    width: Option<u32>,
    /// Pixels, of the result.
    height: Option<u32>,
    /// Size of what was uploaded.
    source_bytes: u64,
    /// The job that makes its files.
    job: String,
    /// Why it failed, or why the last try did.
    error: Option<ErrorBody>,
    /// Its files, once it is ready. Segments of streams are not listed.
    files: Vec<FileBody>,
}

/// Why something failed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ErrorBody {
    /// Stable; programs rely on it.
    code: String,
    /// A sentence for people.
    message: String,
}

/// A file of a video.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct FileBody {
    /// Name.
    name: String,
    /// `video`, `poster`, `playlist`, `init` or `segment`.
    kind: String,
    /// Size.
    bytes: u64,
    /// Path to get it from.
    url: String,
}

impl From<&Video> for VideoBody {
    fn from(video: &Video) -> Self {
        let id = video.id.to_string();
        let files = video.files.iter().map(|file| FileBody {
            name: file.name.clone(),
            kind: file.kind.clone(),
            bytes: file.bytes,
            url: format!("/api/videos/{id}/files/{}", file.name),
        });
        Self {
            files: files.collect(),
            title: video.title.clone(),
            status: video.status.as_str(),
            profile: video.profile.clone(),
            priority: video.priority.as_str(),
            progress: video.progress,
            cancelling: video.cancelling,
            created_at: video.created_at.to_string(),
            started_at: video.started_at.map(|at| at.to_string()),
            finished_at: video.finished_at.map(|at| at.to_string()),
            expected_at: None,
            duration_s: video.duration_s,
            width: video.width,
            height: video.height,
            source_bytes: video.source_bytes,
            job: video.job.to_string(),
            error: video.error.as_ref().map(ErrorBody::from),
            id,
        }
    }
}

impl VideoBody {
    /// A video with when it should be ready.
    pub(crate) fn expected(video: &Video, at: Option<Timestamp>) -> Self {
        Self { expected_at: at.map(|at| at.to_string()), ..video.into() }
    }
}

impl From<&Reason> for ErrorBody {
    fn from(reason: &Reason) -> Self {
        Self { code: reason.code.clone(), message: reason.message.clone() }
    }
}
