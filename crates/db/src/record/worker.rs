use reelfleet_job::WorkerId;
use reelfleet_runtime::Timestamp;

/// What a worker is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerState {
    /// Takes jobs.
    Active,
    /// Takes no more, finishes or hands back.
    Draining,
    /// Has left, or has not been heard of for too long.
    Gone,
}

impl WorkerState {
    /// The stored name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Gone => "gone",
        }
    }
}

/// A worker that begins.
#[derive(Debug, Clone)]
pub struct NewWorker {
    /// Id of this run.
    pub id: WorkerId,
    /// Machine.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// Jobs at a time.
    pub concurrency: u32,
}

/// A worker as last heard of.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Id of this run.
    pub id: WorkerId,
    /// Machine.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// What it is up to.
    pub state: WorkerState,
    /// Jobs at a time.
    pub concurrency: u32,
    /// Jobs it holds now.
    pub running: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub seen_at: Timestamp,
}
