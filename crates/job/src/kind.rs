use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A word that is none of those allowed here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{word}`: expected one of {allowed}")]
pub struct UnknownWord {
    /// What the word was meant to name.
    pub what: &'static str,
    /// The word as given.
    pub word: String,
    /// The allowed words.
    pub allowed: &'static str,
}

/// What a job does. The name is stored and sent, so it never follows a rename in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Turn an uploaded video into the renditions of a profile.
    Transcode,
    /// Nothing: it shows that jobs get from one end of the fleet to the other, and how fast.
    Noop,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Self; 2] = [Self::Transcode, Self::Noop];

    /// The stored name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transcode => "transcode",
            Self::Noop => "noop",
        }
    }
}

/// Which jobs go first. Lower priorities still progress while higher ones wait.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others.
    High,
    /// What a job gets when nobody says.
    #[default]
    Normal,
    /// After all others.
    Low,
}

impl Priority {
    /// Every priority, most urgent first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// The stored name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

/// One broker queue: a kind and a priority, written `transcode-normal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// What its jobs do.
    pub kind: Kind,
    /// How urgent they are.
    pub priority: Priority,
}

impl Lane {
    /// Every lane of a kind, most urgent first.
    #[must_use]
    pub fn of(kind: Kind) -> [Self; 3] {
        Priority::ALL.map(|priority| Self { kind, priority })
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind.as_str(), self.priority.as_str())
    }
}

impl FromStr for Lane {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Kind::ALL.into_iter().flat_map(Self::of).find(|lane| lane.to_string() == text).ok_or_else(
            || UnknownWord { what: "lane", word: text.to_owned(), allowed: "kind-priority" },
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownWord {
            what: "kind",
            word: text.to_owned(),
            allowed: "transcode, noop",
        })
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|priority| priority.as_str() == text).ok_or_else(|| {
            UnknownWord { what: "priority", word: text.to_owned(), allowed: "high, normal, low" }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_reads_back_what_it_prints() {
        for lane in Kind::ALL.into_iter().flat_map(Lane::of) {
            assert_eq!(lane.to_string().parse(), Ok(lane));
        }
        assert!("transcode-urgent".parse::<Lane>().is_err());
    }

    #[test]
    fn an_unknown_priority_names_the_allowed_ones() {
        let error = "urgent".parse::<Priority>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown priority `urgent`: expected one of high, normal, low"
        );
    }
}
