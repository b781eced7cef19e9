//! A worker's hand: what it asks, and what the answer makes of it. As `worker/src/pull.rs`,
//! `beat.rs` and `settle.rs` do it; the rule in between is the real [`settle`].

use reelfleet_db::Beat;
use reelfleet_job::{Outcome, RetryPolicy, Settlement, settle};

use crate::{Answer, Call, Claim};

/// Where a hand is with its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Nothing in hand.
    Free,
    /// A message is in hand, and nothing was asked yet.
    Received,
    /// The claim was answered: the message is acknowledged next.
    Acking,
    /// The work is under way.
    Working,
    /// The work has ended: this is to be written down.
    Closing(Close),
    /// It was refused: perhaps the owner cancelled.
    Refused,
    /// Nothing was published: what this epoch stored may be removed, if it is not needed.
    Cleaning,
    /// It is not needed.
    Removing,
}

/// What is to be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "as in Settlement")]
pub enum Close {
    Done,
    Retry,
    Dead,
    Cancelled,
    HandBack,
}

/// One hand of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hand {
    /// Where it is.
    pub phase: Phase,
    /// The job in it.
    pub job: u16,
    /// The claim, from when it was answered.
    pub claim: Option<Claim>,
    /// It has a message that the broker still takes for delivered.
    pub message: bool,
    /// Until when it may think that the lease holds.
    pub lease_until: i64,
}

impl Hand {
    /// Nothing in it.
    pub const FREE: Self =
        Self { phase: Phase::Free, job: 0, claim: None, message: false, lease_until: 0 };

    /// It got a message.
    #[must_use]
    pub fn received(job: u16) -> Self {
        Self { phase: Phase::Received, job, message: true, ..Self::FREE }
    }

    /// What it asks of the database next, if that is what comes next.
    #[must_use]
    pub fn call(&self, worker: u8, lease: i64, wait: i64) -> Option<Call> {
        if self.phase == Phase::Received {
            return Some(Call::Claim { worker, lease });
        }
        let epoch = self.claim?.epoch;
        Some(match self.phase {
            Phase::Closing(Close::Done) => Call::CloseDone { epoch },
            Phase::Closing(Close::Retry) => Call::Retry { epoch, wait },
            Phase::Closing(Close::Dead) => Call::CloseDead { epoch },
            Phase::Closing(Close::Cancelled) | Phase::Refused => Call::CloseCancelled { epoch },
            Phase::Closing(Close::HandBack) => Call::HandBack { epoch },
            Phase::Cleaning => Call::LiveEpoch,
            _ => return None,
        })
    }

    /// What the answer to that makes of it. None: the call failed, or its answer was lost, which
    /// a worker cannot tell apart.
    pub fn hear(&mut self, answer: Option<Answer>, lease_until: i64) {
        match (self.phase, answer) {
            (Phase::Received, Some(Answer::Claimed(claim))) => {
                (self.claim, self.lease_until) = (claim, lease_until);
                self.phase = Phase::Acking;
            }
            // The message comes again by itself.
            (Phase::Received, _) => *self = Self::FREE,
            // It is written again.
            (Phase::Closing(_), None) => {}
            (Phase::Closing(Close::Done), Some(Answer::Effect(true))) => *self = Self::FREE,
            (Phase::Closing(_), Some(Answer::Effect(true))) | (Phase::Refused, _) => {
                self.phase = Phase::Cleaning;
            }
            (Phase::Closing(_), _) => self.phase = Phase::Refused,
            (Phase::Cleaning, Some(Answer::Live(live))) => {
                let published = live.is_some() && live == self.claim.map(|claim| claim.epoch);
                if published { *self = Self::FREE } else { self.phase = Phase::Removing }
            }
            // The collector finds it.
            (Phase::Cleaning, _) => *self = Self::FREE,
            _ => {}
        }
    }

    /// The message was acknowledged, or could not be.
    pub fn acked(&mut self) {
        self.message = false;
        if self.claim.is_some() { self.phase = Phase::Working } else { *self = Self::FREE }
    }

    /// The work has ended.
    pub fn ended(&mut self, outcome: Outcome) {
        let Some(Claim { attempts, max_attempts, .. }) = self.claim else { return };
        let policy = RetryPolicy { max_attempts, ..RetryPolicy::default() };
        self.phase = Phase::Closing(match settle(outcome, attempts, &policy, 1.0) {
            Settlement::Done => Close::Done,
            Settlement::Retry(..) => Close::Retry,
            Settlement::Dead(_) => Close::Dead,
            Settlement::Cancelled => Close::Cancelled,
            Settlement::HandBack => Close::HandBack,
        });
    }

    /// What the answer to a heartbeat makes of it. A job that is being closed is closed.
    pub fn heard(&mut self, beat: Beat, lease_until: i64) {
        let outcome = match beat {
            Beat::Held | Beat::Cancel => {
                self.lease_until = lease_until;
                (beat == Beat::Cancel).then_some(Outcome::Cancelled)
            }
            Beat::Lost => Some(Outcome::Interrupted),
        };
        if let (Phase::Working, Some(outcome)) = (self.phase, outcome) {
            self.ended(outcome);
        }
    }

    /// Whether it has claimed its job and not yet stopped working on it.
    #[must_use]
    pub fn works(&self) -> bool {
        self.claim.is_some() && matches!(self.phase, Phase::Acking | Phase::Working)
    }
}
