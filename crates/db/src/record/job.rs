use reelfleet_job::{JobId, Kind, Lane, Payload, Priority, Reason, State, UserId, WorkerId};
use reelfleet_runtime::Timestamp;

/// A job's row.
#[derive(Debug, Clone)]
pub struct Job {
    /// Id.
    pub id: JobId,
    /// What to do.
    pub payload: Payload,
    /// How urgent.
    pub priority: Priority,
    /// Where it is.
    pub state: State,
    /// Whose it is.
    pub owner: UserId,
    /// When it is or was due.
    pub run_at: Timestamp,
    /// Charged tries so far.
    pub attempts: u32,
    /// Charged tries before it is dead.
    pub max_attempts: u32,
    /// Number of its last claim.
    pub epoch: u64,
    /// Until when the claim holds.
    pub lease_until: Option<Timestamp>,
    /// Who holds it.
    pub worker: Option<WorkerId>,
    /// Its owner asked to stop it.
    pub cancel_requested: bool,
    /// 0 to 1.
    pub progress: f64,
    /// Why it is dead, or why the last try failed.
    pub error: Option<Reason>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When the last claim was.
    pub started_at: Option<Timestamp>,
    /// When it was closed.
    pub finished_at: Option<Timestamp>,
    /// Who gave it up for good after it was dead. Its error is history then.
    pub discarded: Option<Discarded>,
}

/// That a dead job was given up for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// Who did it, as given to [`Db::discard`](crate::Db::discard).
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What one claim came to.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Number of the claim.
    pub epoch: u64,
    /// Who claimed.
    pub worker: WorkerId,
    /// When.
    pub started_at: Timestamp,
    /// Until when.
    pub ended_at: Option<Timestamp>,
    /// `done`, `retry`, `dead`, `cancelled`, `handed_back` or `worker_lost`; none while it runs.
    pub outcome: Option<String>,
    /// What went wrong.
    pub error: Option<Reason>,
}

/// Which jobs.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only those in this state.
    pub state: Option<State>,
    /// At most so many.
    pub limit: u32,
    /// Only those older than this one.
    pub before: Option<JobId>,
}

/// A job that a worker has just become the owner of.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Id.
    pub id: JobId,
    /// Fencing token: every effect names it.
    pub epoch: u64,
    /// Charged tries, this one counted.
    pub attempts: u32,
    /// Charged tries before it is dead.
    pub max_attempts: u32,
    /// What to do.
    pub payload: Payload,
}

/// The same with its payload as it is stored.
#[derive(Debug)]
pub(crate) struct RawClaimed {
    pub(crate) id: JobId,
    pub(crate) epoch: u64,
    pub(crate) attempts: u32,
    pub(crate) max_attempts: u32,
    pub(crate) payload: String,
}

/// What one look at lanes of the `database` queue brought.
#[derive(Debug, Default)]
pub struct Taken {
    /// Messages that were taken out. None: the lanes are empty.
    pub messages: u64,
    /// Those of their jobs that the worker owns now.
    pub claimed: Vec<Claimed>,
}

/// [`Taken`] as it comes from a row.
#[derive(Debug, Default)]
pub(crate) struct RawTaken {
    pub(crate) messages: u64,
    pub(crate) claimed: Vec<RawClaimed>,
}

/// A job to be recorded that has no video: its payload says all.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Id.
    pub id: JobId,
    /// What to do.
    pub payload: Payload,
    /// How urgent.
    pub priority: Priority,
    /// Whose it is.
    pub owner: UserId,
    /// Charged tries before it is dead.
    pub max_attempts: u32,
}

/// What a worker tells of one job that it holds.
#[derive(Debug, Clone, Copy)]
pub struct Pulse {
    /// The job.
    pub job: JobId,
    /// The claim that the worker holds.
    pub epoch: u64,
    /// 0 to 1.
    pub progress: f64,
}

/// What a worker hears back of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// The lease is renewed.
    Held,
    /// The lease is renewed, and the owner wants the job stopped.
    Cancel,
    /// The claim is no longer this worker's.
    Lost,
}

/// A due job without a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The job.
    pub job: JobId,
    /// Where its message goes.
    pub lane: Lane,
}

/// What freeing jobs came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Due again.
    pub freed: u64,
    /// Out of attempts.
    pub dead: u64,
    /// Its owner had asked to stop it.
    pub cancelled: u64,
}

/// A message of the `database` queue in a worker's hand.
#[derive(Debug, Clone)]
pub struct RawMessage {
    /// To acknowledge it with.
    pub receipt: RawReceipt,
    /// What was sent.
    pub body: String,
}

/// Names one delivery of a message of the `database` queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawReceipt {
    /// Where it was.
    pub lane: Lane,
    /// The job that it points at.
    pub job: JobId,
    /// Number of this delivery.
    pub delivery: i64,
}

/// A message on its way into the `database` queue.
#[derive(Debug, Clone)]
pub struct RawSend {
    /// Where it goes.
    pub lane: Lane,
    /// The job that it points at.
    pub job: JobId,
    /// What it says.
    pub body: String,
}

/// A letter in the dead-letter queue of the `database` backend.
#[derive(Debug, Clone)]
pub struct RawLetter {
    /// Row.
    pub id: i64,
    /// What it says.
    pub body: String,
}

/// How many messages a lane of the `database` queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneDepth {
    /// The lane.
    pub lane: Lane,
    /// Ready to be delivered.
    pub ready: u64,
    /// Delivered and not yet acknowledged.
    pub in_flight: u64,
}

/// What is known of a job's epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    /// The last that was given to a claim; 0 before the first.
    pub last: u64,
    /// The one that has or may still get effects: running or done under it. None: no output is needed.
    pub live: Option<u64>,
}

/// Unfinished work, counted from the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Backlog {
    /// Not due yet.
    pub scheduled: u64,
    /// Due, waiting for a worker.
    pub waiting: u64,
    /// In a worker's hands.
    pub running: u64,
    /// Gave up.
    pub dead: u64,
    /// Age of the job that has waited longest, seconds.
    pub oldest_waiting_s: f64,
    /// Mean time from claim to close of the last finished jobs, seconds; none without any.
    pub mean_run_s: Option<f64>,
}

impl Backlog {
    /// Waiting and running jobs of a kind that a worker must still see to.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.waiting + self.running
    }
}

impl Job {
    /// What it does.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.payload.kind()
    }
}
