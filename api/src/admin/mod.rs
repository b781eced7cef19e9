//! What operators see and do: jobs, the queue, workers, dead jobs.

mod body;
mod dead;
mod explain;
mod jobs;
mod noops;
mod show;
mod state_of_fleet;

pub(crate) use body::{ExplainedJob, JobBody};
pub(crate) use dead::{
    __path_dead_job, __path_dead_jobs, __path_discard, __path_redrive, __path_redrive_some,
    RedriveBody, dead_job, dead_jobs, discard, redrive, redrive_some,
};
pub(crate) use jobs::{__path_cancel, __path_jobs, cancel, jobs};
pub(crate) use noops::{__path_make_noops, make_noops};
pub(crate) use show::{__path_job, __path_own_job, job, own_job};
pub(crate) use state_of_fleet::{
    __path_queue, __path_workers, QueueBody, WorkerBody, queue, workers,
};
