//! What can happen next.

use reelfleet_job::{Outcome, Reason, State};

use crate::{
    Config, Rule,
    hand::Phase,
    world::{Api, GONE, Sending, World},
};

/// One step of somebody. Numbers are those of jobs, hands and workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says what happens")]
pub enum Action {
    // The process that takes uploads.
    Submit { job: usize },
    Ring { job: usize },
    NoteSent { job: usize },
    ApiDies { job: usize },
    // The relay.
    TakeDue,
    TakeLost,
    Send { job: usize },
    SendUnconfirmed { job: usize, arrives: bool },
    NoteUnsent { job: usize },
    RelayDies,
    Reap { job: usize },
    ReapDeadWorker { job: usize },
    // The broker.
    Lose { job: usize },
    Double { job: usize },
    ComesAgain { hand: usize },
    // A worker.
    Receive { hand: usize, job: usize },
    Release { hand: usize },
    Ask { hand: usize },
    AnswerLost { hand: usize },
    Ack { hand: usize },
    AckLost { hand: usize },
    Beat { hand: usize },
    Store { hand: usize },
    End { hand: usize, how: End },
    GiveUpClosing { hand: usize },
    Remove { hand: usize },
    WorkerDies { worker: u8 },
    // People.
    Cancel { job: usize },
    Redrive { job: usize },
    Discard { job: usize },
    // The collector.
    FindGarbage { job: usize, epoch: u32 },
    Collect { job: usize },
    // The database's clock.
    Tick,
}

/// How work ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// With a result.
    Done,
    /// With a failure of ours.
    Failed,
    /// With bad input.
    Rejected,
    /// Because the worker must leave or cannot renew its lease.
    Interrupted,
}

impl End {
    /// What the handler says then.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Done => Outcome::Done,
            Self::Failed => Outcome::Failed(Reason::new("internal", "")),
            Self::Rejected => Outcome::Rejected(Reason::new("not_a_video", "")),
            Self::Interrupted => Outcome::Interrupted,
        }
    }
}

impl<const J: usize, const H: usize> World<J, H> {
    /// Everything that can happen now.
    pub(crate) fn possible(&self, config: &Config<H>, all: &mut Vec<Action>) {
        let before = all.len();
        for job in 0..J {
            self.of_job(config, job, all);
        }
        for hand in 0..H {
            self.of_hand(config, hand, all);
        }
        let harm = config.harm;
        if config.rules.hold(Rule::RelaySendsDue) {
            all.push(Action::TakeDue);
        }
        if config.rules.hold(Rule::RelayFindsLost) {
            all.push(Action::TakeLost);
        }
        if harm.others_die && self.jobs.iter().any(|job| job.sending != Sending::Nothing) {
            all.push(Action::RelayDies);
        }
        if harm.workers_die {
            let mut workers = config.worker_of.to_vec();
            workers.dedup();
            all.extend(workers.into_iter().map(|worker| Action::WorkerDies { worker }));
        }
        if all.len() > before {
            all.push(Action::Tick);
        }
    }

    fn of_job(&self, config: &Config<H>, job: usize, all: &mut Vec<Action>) {
        let harm = config.harm;
        let this = &self.jobs[job];
        let row = &this.row;
        match this.api {
            Api::Before => return all.push(Action::Submit { job }),
            Api::Committed => all.push(Action::Ring { job }),
            Api::Rung => all.push(Action::NoteSent { job }),
            Api::Over => {}
        }
        if harm.others_die && this.api != Api::Over {
            all.push(Action::ApiDies { job });
        }
        match this.sending {
            Sending::Taken => {
                all.push(Action::Send { job });
                if harm.messages {
                    let unconfirmed = |arrives| Action::SendUnconfirmed { job, arrives };
                    all.extend([unconfirmed(true), unconfirmed(false)]);
                }
            }
            Sending::Unconfirmed => all.push(Action::NoteUnsent { job }),
            Sending::Nothing => {}
        }
        if harm.messages && this.ready > 0 {
            all.push(Action::Lose { job });
            if self.messages(job) < config.messages {
                all.push(Action::Double { job });
            }
        }
        if row.state == State::Running {
            if config.rules.hold(Rule::ReaperRuns) {
                all.push(Action::Reap { job });
            }
            if row.worker == Some(GONE) {
                all.push(Action::ReapDeadWorker { job });
            }
        }
        if harm.people && !row.state.is_closed() && !row.cancel_requested {
            all.push(Action::Cancel { job });
        }
        if harm.people && row.state == State::Dead {
            all.extend([Action::Redrive { job }, Action::Discard { job }]);
        }
        match this.collecting {
            Some(_) => all.push(Action::Collect { job }),
            None => all.extend(this.stored().map(|epoch| Action::FindGarbage { job, epoch })),
        }
    }

    fn of_hand(&self, config: &Config<H>, hand: usize, all: &mut Vec<Action>) {
        let harm = config.harm;
        let this = &self.hands[hand];
        if this.phase == Phase::Free {
            let waiting = (0..J).filter(|job| self.jobs[*job].ready > 0);
            return all.extend(waiting.map(|job| Action::Receive { hand, job }));
        }
        if this.message {
            all.push(Action::ComesAgain { hand });
        }
        match this.phase {
            Phase::Received if this.message && !config.rules.hold(Rule::ClaimThenAck) => {
                all.push(Action::Ack { hand });
            }
            Phase::Received => {
                if config.rules.hold(Rule::ClaimThenAck) {
                    all.push(Action::Release { hand });
                }
                all.push(Action::Ask { hand });
            }
            Phase::Acking => {
                all.push(Action::Ack { hand });
                if harm.messages {
                    all.push(Action::AckLost { hand });
                }
            }
            Phase::Working => {
                let end = |how| Action::End { hand, how };
                all.extend([Action::Beat { hand }, end(End::Interrupted)]);
                if harm.failures {
                    all.extend([end(End::Failed), end(End::Rejected)]);
                }
                all.push(if self.has_stored(hand) {
                    end(End::Done)
                } else {
                    Action::Store { hand }
                });
            }
            Phase::Closing(_) => {
                if harm.answers {
                    all.push(Action::GiveUpClosing { hand });
                }
                all.extend([Action::Beat { hand }, Action::Ask { hand }]);
            }
            Phase::Refused | Phase::Cleaning => all.push(Action::Ask { hand }),
            Phase::Removing => all.push(Action::Remove { hand }),
            Phase::Free => {}
        }
        if harm.answers && all.last() == Some(&Action::Ask { hand }) {
            all.push(Action::AnswerLost { hand });
        }
    }

    pub(crate) fn has_stored(&self, hand: usize) -> bool {
        let this = &self.hands[hand];
        let job = &self.jobs[usize::from(this.job)];
        this.claim.is_some_and(|claim| job.has_outputs(claim.epoch))
    }
}
