/// A rule of the protocol that can be broken on purpose, to see that the checker notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// What a worker writes names its epoch, and counts only while that is the row's.
    EpochIsChecked,
    /// Only a queued job can be claimed.
    ClaimTakesQueued,
    /// A message is acknowledged after its claim.
    ClaimThenAck,
    /// The reaper frees only jobs whose lease ran out.
    LeaseIsChecked,
    /// Somebody frees jobs whose lease ran out.
    ReaperRuns,
    /// Somebody sends due jobs that have no message.
    RelaySendsDue,
    /// Somebody sends again what was lost.
    RelayFindsLost,
    /// A job whose cancel was recorded is not published.
    CancelIsChecked,
    /// Who cleans up asks first what was published.
    CleanUpAsks,
    /// A try is counted when it begins, so that it counts however it ends.
    TriesAreCounted,
}

/// The rules that hold: all but those that are broken on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    broken: &'static [Rule],
}

impl Rules {
    /// All but these.
    #[must_use]
    pub const fn but(broken: &'static [Rule]) -> Self {
        Self { broken }
    }

    /// Whether a rule holds.
    #[must_use]
    pub fn hold(self, rule: Rule) -> bool {
        !self.broken.contains(&rule)
    }
}
