//! One job's row and what may happen to it: the guards of the SQL as pure rules.

use reelfleet_db::Beat;
use reelfleet_job::{RetryPolicy, State};

use crate::{Rule, Rules};

/// A job's row, as far as the protocol looks at it. Times are milliseconds of the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    /// Where it is.
    pub state: State,
    /// Charged tries.
    pub attempts: u32,
    /// Charged tries before it is dead.
    pub max_attempts: u32,
    /// Number of its last claim.
    pub epoch: u32,
    /// Who holds it.
    pub worker: Option<u8>,
    /// Until when.
    pub lease_until: Option<i64>,
    /// When it is due.
    pub run_at: i64,
    /// When a message (of a dead job: its letter) was sent.
    pub message_at: Option<i64>,
    /// Its owner asked to stop it.
    pub cancel_requested: bool,
    /// Epoch of the files that are visible.
    pub published: Option<u32>,
}

/// What is asked of the database about one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "named after the calls of reelfleet_db::Db, which say what they do"
)]
pub enum Call {
    Claim { worker: u8, lease: i64 },
    Beat { worker: u8, epoch: u32, lease: i64 },
    CloseDone { epoch: u32 },
    CloseDead { epoch: u32 },
    CloseCancelled { epoch: u32 },
    Retry { epoch: u32, wait: i64 },
    HandBack { epoch: u32 },
    LiveEpoch,
    Cancel,
    Redrive,
    Discard,
    MarkSent,
    UnmarkSent,
    MarkBuried,
}

/// What the database answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The claim, if the job was to be had.
    Claimed(Option<Claim>),
    /// To a heartbeat.
    Beat(Beat),
    /// Whether it had an effect.
    Effect(bool),
    /// Which epoch's outputs are needed.
    Live(Option<u32>),
    /// Nothing to say.
    Done,
}

/// A claim as its worker knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// Its number.
    pub epoch: u32,
    /// Charged tries, this one counted.
    pub attempts: u32,
    /// Charged tries before the job is dead.
    pub max_attempts: u32,
}

impl Row {
    /// A job that was just submitted.
    #[must_use]
    pub fn new(max_attempts: u32, now: i64) -> Self {
        Self {
            state: State::Queued,
            attempts: 0,
            max_attempts,
            epoch: 0,
            worker: None,
            lease_until: None,
            run_at: now,
            message_at: None,
            cancel_requested: false,
            published: None,
        }
    }

    /// One statement.
    pub fn ask(&mut self, call: Call, now: i64, rules: Rules) -> Answer {
        match call {
            Call::Claim { worker, lease } => {
                Answer::Claimed(self.claim(worker, now + lease, rules))
            }
            Call::Beat { worker, epoch, lease } => {
                if self.worker != Some(worker) || !self.is_held(epoch, rules) {
                    return Answer::Beat(Beat::Lost);
                }
                self.lease_until = Some(now + lease);
                Answer::Beat(if self.cancel_requested { Beat::Cancel } else { Beat::Held })
            }
            Call::LiveEpoch => Answer::Live(match self.state {
                State::Running => Some(self.epoch),
                State::Done => self.published,
                _ => None,
            }),
            Call::MarkSent | Call::UnmarkSent => {
                if self.state == State::Queued {
                    self.message_at = (call == Call::MarkSent).then_some(now);
                }
                Answer::Done
            }
            Call::MarkBuried => {
                if self.state == State::Dead {
                    self.message_at = Some(now);
                }
                Answer::Done
            }
            Call::Cancel => {
                if self.state == State::Running {
                    self.cancel_requested = true;
                } else if !self.state.is_closed() {
                    (self.state, self.cancel_requested) = (State::Cancelled, true);
                }
                Answer::Done
            }
            Call::Redrive | Call::Discard => Answer::Effect(self.judge_dead(call, now)),
            _ => Answer::Effect(self.leave(call, now, rules)),
        }
    }

    fn claim(&mut self, worker: u8, lease_until: i64, rules: Rules) -> Option<Claim> {
        if self.state != State::Queued && rules.hold(Rule::ClaimTakesQueued) {
            return None;
        }
        self.state = State::Running;
        self.epoch += 1;
        self.attempts += u32::from(rules.hold(Rule::TriesAreCounted));
        (self.worker, self.lease_until) = (Some(worker), Some(lease_until));
        self.message_at = None;
        let Self { epoch, attempts, max_attempts, .. } = *self;
        Some(Claim { epoch, attempts, max_attempts })
    }

    fn is_held(&self, epoch: u32, rules: Rules) -> bool {
        self.state == State::Running && (self.epoch == epoch || !rules.hold(Rule::EpochIsChecked))
    }

    /// How a job leaves its worker's hand. False, with no effect, if a guard refuses.
    fn leave(&mut self, call: Call, now: i64, rules: Rules) -> bool {
        let (epoch, to) = match call {
            Call::CloseDone { epoch } => (epoch, State::Done),
            Call::CloseDead { epoch } => (epoch, State::Dead),
            Call::CloseCancelled { epoch } => (epoch, State::Cancelled),
            Call::Retry { epoch, .. } => (epoch, State::Scheduled),
            Call::HandBack { epoch } if self.cancel_requested => (epoch, State::Cancelled),
            Call::HandBack { epoch } => (epoch, State::Queued),
            _ => return false,
        };
        let refused = match call {
            Call::CloseDone { .. } => self.cancel_requested && rules.hold(Rule::CancelIsChecked),
            Call::Retry { .. } => self.cancel_requested,
            Call::CloseCancelled { .. } => !self.cancel_requested,
            _ => false,
        };
        if refused || !self.is_held(epoch, rules) {
            return false;
        }
        match call {
            Call::CloseDone { .. } => self.published = Some(epoch),
            Call::Retry { wait, .. } => {
                self.run_at = now + wait;
                self.attempts += u32::from(!rules.hold(Rule::TriesAreCounted));
            }
            Call::HandBack { .. } => self.attempts = self.attempts.saturating_sub(1),
            _ => {}
        }
        self.let_go(to);
        true
    }

    fn let_go(&mut self, to: State) {
        (self.state, self.worker, self.lease_until) = (to, None, None);
        self.message_at = None;
    }

    fn judge_dead(&mut self, call: Call, now: i64) -> bool {
        if self.state != State::Dead {
            return false;
        }
        if call == Call::Discard {
            self.state = State::Cancelled;
            return true;
        }
        (self.state, self.attempts, self.run_at) = (State::Queued, 0, now);
        (self.message_at, self.cancel_requested) = (None, false);
        true
    }

    /// Takes it for sending, if it is due and has no message.
    pub fn take_due(&mut self, now: i64) -> bool {
        let due = (self.state == State::Scheduled && self.run_at <= now)
            || (self.state == State::Queued && self.message_at.is_none());
        if due {
            (self.state, self.message_at) = (State::Queued, Some(now));
        }
        due
    }

    /// Takes it for sending again, if its message was sent so long ago.
    pub fn take_lost(&mut self, now: i64, lost_after: i64) -> bool {
        let lost = self.state == State::Queued
            && self.message_at.is_some_and(|sent| sent < now - lost_after);
        if lost {
            self.message_at = Some(now);
        }
        lost
    }

    /// Whether it is dead and has no letter.
    #[must_use]
    pub fn is_unburied(&self) -> bool {
        self.state == State::Dead && self.message_at.is_none()
    }

    /// Frees it if its lease ran out, or if it is a job of `dead`, a worker known to be dead. The
    /// state it got then.
    pub fn reap(
        &mut self,
        now: i64,
        dead: Option<u8>,
        policy: &RetryPolicy,
        rules: Rules,
    ) -> Option<State> {
        let over = self.lease_until.is_some_and(|until| until < now);
        let lost = match dead {
            None => over || !rules.hold(Rule::LeaseIsChecked),
            dead => self.worker == dead,
        };
        if self.state != State::Running || !lost {
            return None;
        }
        let own = RetryPolicy { max_attempts: self.max_attempts, ..policy.clone() };
        let wait = if self.attempts <= 1 { None } else { own.wait(self.attempts - 1, 1.0) };
        let to = if self.cancel_requested {
            State::Cancelled
        } else if self.attempts >= self.max_attempts {
            State::Dead
        } else if wait.is_some() {
            State::Scheduled
        } else {
            State::Queued
        };
        self.let_go(to);
        if !to.is_closed() {
            let wait = wait.unwrap_or_default().as_millis();
            self.run_at = now + i64::try_from(wait).unwrap_or(i64::MAX);
        }
        Some(to)
    }
}
