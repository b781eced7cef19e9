use reelfleet_db::{Attempt, Discarded, Job, Page};
use reelfleet_job::Payload;
use serde::Serialize;

use crate::video::ErrorBody;

/// A job.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct JobBody {
    /// Id.
    id: String,
    /// What it does.
    kind: &'static str,
    /// `scheduled`, `queued`, `running`, `done`, `dead` or `cancelled`.
    state: &'static str,
    /// `high`, `normal` or `low`.
    priority: &'static str,
    /// Id of the user whose it is.
    owner: String,
    /// Id of its video.
    video: Option<String>,
    /// Name of its profile.
    profile: Option<String>,
    /// When it is or was due.
    #[schema(format = "date-time")]
    run_at: String,
    /// Charged tries.
    attempts: u32,
    /// Charged tries before it is dead.
    max_attempts: u32,
    /// Number of its last claim.
    epoch: u64,
    /// Who holds it.
    worker: Option<String>,
    /// Until when the claim holds.
    #[schema(format = "date-time")]
    lease_until: Option<String>,
    /// 0 to 1.
    progress: f64,
    /// Somebody asked to stop it.
    cancel_requested: bool,
    /// Why it is dead, or why the last try failed; null once it is discarded.
    error: Option<ErrorBody>,
    /// Who gave it up for good, if anybody did.
    discarded: Option<DiscardedBody>,
    /// When it was recorded.
    #[schema(format = "date-time")]
    created_at: String,
    /// When the last claim was.
    #[schema(format = "date-time")]
    started_at: Option<String>,
    /// When it was closed.
    #[schema(format = "date-time")]
    finished_at: Option<String>,
}

/// That an operator gave a dead job up for good.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DiscardedBody {
    /// Id of the operator.
    by: String,
    /// When.
    #[schema(format = "date-time")]
    at: String,
    /// Why it had been dead.
    error: Option<ErrorBody>,
}

/// A page of jobs, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct JobPage {
    /// The jobs.
    jobs: Vec<JobBody>,
    /// For the next page; null on the last one.
    next_cursor: Option<String>,
}

/// A job, explained.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ExplainedJob {
    #[serde(flatten)]
    pub(super) job: JobBody,
    /// What each claim came to, first one first.
    pub(super) attempts_history: Vec<AttemptBody>,
    /// Jobs that are taken before it, while it waits.
    pub(super) ahead: Option<u64>,
    /// A sentence or two for people.
    pub(super) explanation: String,
    /// When it should be finished, as far as can be told.
    #[schema(format = "date-time")]
    pub(super) expected_end_at: Option<String>,
}

/// What one claim came to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AttemptBody {
    /// Number of the claim.
    epoch: u64,
    /// Who claimed.
    worker: String,
    /// When.
    #[schema(format = "date-time")]
    started_at: String,
    /// Until when.
    #[schema(format = "date-time")]
    ended_at: Option<String>,
    /// `done`, `retry`, `dead`, `cancelled`, `handed_back` or `worker_lost`; null while it runs.
    outcome: Option<String>,
    /// What went wrong.
    error: Option<ErrorBody>,
}

impl From<&Job> for JobBody {
    fn from(job: &Job) -> Self {
        let (video, profile) = match &job.payload {
            Payload::Transcode { video, profile } => (Some(video.to_string()), Some(profile)),
            Payload::Noop => (None, None),
        };
        let error = job.error.as_ref().map(ErrorBody::from);
        let (error, discarded) = match &job.discarded {
            Some(Discarded { by, at }) => {
                (None, Some(DiscardedBody { by: by.clone(), at: at.to_string(), error }))
            }
            None => (error, None),
        };
        Self {
            id: job.id.to_string(),
            kind: job.kind().as_str(),
            state: job.state.as_str(),
            priority: job.priority.as_str(),
            owner: job.owner.to_string(),
            video,
            profile: profile.cloned(),
            run_at: job.run_at.to_string(),
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            epoch: job.epoch,
            worker: job.worker.map(|worker| worker.to_string()),
            lease_until: job.lease_until.map(|at| at.to_string()),
            progress: job.progress,
            cancel_requested: job.cancel_requested,
            error,
            discarded,
            created_at: job.created_at.to_string(),
            started_at: job.started_at.map(|at| at.to_string()),
            finished_at: job.finished_at.map(|at| at.to_string()),
        }
    }
}

impl From<&Page<Job>> for JobPage {
    fn from(page: &Page<Job>) -> Self {
        let last = page.rows.last().filter(|_| page.more);
        Self {
            next_cursor: last.map(|job| job.id.to_string()),
            jobs: page.rows.iter().map(JobBody::from).collect(),
        }
    }
}

impl From<&Attempt> for AttemptBody {
    fn from(attempt: &Attempt) -> Self {
        Self {
            epoch: attempt.epoch,
            worker: attempt.worker.to_string(),
            started_at: attempt.started_at.to_string(),
            ended_at: attempt.ended_at.map(|at| at.to_string()),
            outcome: attempt.outcome.clone(),
            error: attempt.error.as_ref().map(ErrorBody::from),
        }
    }
}
