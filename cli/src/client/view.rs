//! What we read of the API's answers. Anything else in them passes by, so that
//! a newer fleet does not break an older command.

use serde::Deserialize;

use super::render;

/// A video, as its owner sees it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Video {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) status: String,
    pub(super) progress: f64,
    pub(super) cancelling: bool,
    pub(super) job: Option<String>,
    pub(super) error: Option<Reason>,
    pub(super) files: Vec<File>,
}

impl Video {
    /// Nothing more happens to it by itself.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.status.as_str(), "ready" | "failed" | "cancelled")
    }

    /// What to call it in front of people.
    pub(super) fn name(&self) -> String {
        render::plain(if self.title.is_empty() { &self.id } else { &self.title })
    }
}

/// One result of a video.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) url: String,
}

/// Why something failed: code and sentence, or a sentence alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Reason {
    Coded { code: String, message: String },
    Text(String),
}

impl Reason {
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Coded { code, message } => render::reason(code, message),
            Self::Text(text) => render::plain(text),
        }
    }
}

/// A job, as operators see it, with what is told of one alone.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) priority: String,
    pub(super) video: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) run_at: Option<String>,
    pub(super) attempts: u64,
    pub(super) max_attempts: u64,
    pub(super) worker: Option<String>,
    pub(super) lease_until: Option<String>,
    pub(super) progress: f64,
    pub(super) cancel_requested: bool,
    pub(super) error: Option<Reason>,
    pub(super) created_at: Option<String>,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    pub(super) discarded: Option<Discarded>,
    pub(super) attempts_history: Vec<Attempt>,
    pub(super) explanation: Option<String>,
    pub(super) expected_end_at: Option<String>,
}

/// That an operator gave a dead job up for good.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Discarded {
    pub(super) by: String,
    pub(super) at: String,
    pub(super) error: Option<Reason>,
}

/// One claim of a job.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Attempt {
    pub(super) epoch: u64,
    pub(super) worker: Option<String>,
    pub(super) started_at: Option<String>,
    pub(super) ended_at: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) error: Option<Reason>,
}

/// What waits and who works.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Queue {
    pub(super) broker_available: Option<bool>,
    pub(super) lanes: Vec<Lane>,
    pub(super) backlog: Backlog,
    pub(super) workers: Workers,
    pub(super) slots: u64,
    pub(super) backlog_per_worker: f64,
    pub(super) expected_drain_s: Option<f64>,
}

/// The messages of one lane.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Lane {
    pub(super) lane: String,
    pub(super) ready: u64,
    pub(super) in_flight: u64,
}

/// Unfinished work.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Backlog {
    pub(super) scheduled: u64,
    pub(super) waiting: u64,
    pub(super) running: u64,
    pub(super) dead: u64,
    pub(super) oldest_waiting_s: Option<f64>,
    pub(super) mean_run_s: Option<f64>,
}

/// Workers by state.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Workers {
    pub(super) active: u64,
    pub(super) draining: u64,
}
