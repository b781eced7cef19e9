//! Rows as values.

mod job;
mod user;
mod video;
mod work;
mod worker;

pub use job::{
    Attempt, Backlog, Beat, Claimed, Discarded, Due, Epochs, Job, JobFilter, LaneDepth, NewJob,
    Pulse, RawLetter, RawMessage, RawReceipt, RawSend, Reaped, Taken,
};
pub(crate) use job::{RawClaimed, RawTaken};
pub use user::{NewUser, Role, User};
pub use video::{File, Finished, NewVideo, Page, StoredFile, Submitted, Video, VideoFilter};
pub use work::{DoneJob, RunningJob, WaitingJobs, Work};
pub(crate) use work::{done, lately, looked_at, running, size_class, waiting};
pub use worker::{NewWorker, Worker, WorkerState};
