use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::UnknownWord;

/// Where a job is: `scheduled → queued → running → done | dead | cancelled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for its `run_at`.
    Scheduled,
    /// Due: waits for a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Closed with its result.
    Done,
    /// Gave up, with a reason; can be redriven.
    Dead,
    /// Closed because its owner said so.
    Cancelled,
}

impl State {
    /// Every state there is.
    pub const ALL: [Self; 6] =
        [Self::Scheduled, Self::Queued, Self::Running, Self::Done, Self::Dead, Self::Cancelled];

    /// The stored name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// Nothing more happens to the job by itself.
    #[must_use]
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Done | Self::Dead | Self::Cancelled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| UnknownWord {
            what: "state",
            word: text.to_owned(),
            allowed: "scheduled, queued, running, done, dead, cancelled",
        })
    }
}

/// Where a video is, as its owner sees it. Always derived from the job's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoStatus {
    /// Waits for a worker.
    Queued,
    /// A worker has it.
    Processing,
    /// Its files can be watched.
    Ready,
    /// It gave up, with an error.
    Failed,
    /// Its owner cancelled it.
    Cancelled,
}

impl VideoStatus {
    /// Every status there is.
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Processing, Self::Ready, Self::Failed, Self::Cancelled];

    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The job states that an owner sees under this name.
    #[must_use]
    pub fn states(self) -> &'static [State] {
        match self {
            Self::Queued => &[State::Scheduled, State::Queued],
            Self::Processing => &[State::Running],
            Self::Ready => &[State::Done],
            Self::Failed => &[State::Dead],
            Self::Cancelled => &[State::Cancelled],
        }
    }

    /// Nothing more happens to the video by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Ready | Self::Failed | Self::Cancelled)
    }
}

impl From<State> for VideoStatus {
    fn from(state: State) -> Self {
        match state {
            State::Scheduled | State::Queued => Self::Queued,
            State::Running => Self::Processing,
            State::Done => Self::Ready,
            State::Dead => Self::Failed,
            State::Cancelled => Self::Cancelled,
        }
    }
}

impl fmt::Display for VideoStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for VideoStatus {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| UnknownWord {
            what: "status",
            word: text.to_owned(),
            allowed: "queued, processing, ready, failed, cancelled",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_state_is_seen_under_exactly_one_status() {
        for state in State::ALL {
            let seen: Vec<_> =
                VideoStatus::ALL.into_iter().filter(|s| s.states().contains(&state)).collect();
            assert_eq!(seen, [VideoStatus::from(state)]);
            assert_eq!(state.is_closed(), seen[0].is_final());
        }
    }
}
