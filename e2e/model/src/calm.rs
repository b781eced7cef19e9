//! From any world on, with nobody doing harm any more: does everything end?

use reelfleet_job::State;

use crate::{
    Action, Answer, Call, Config, End, Rule,
    hand::Phase,
    world::{Api, Sending, World},
};

/// In which order things happen once it is calm, and how work ends then. Each is fair: nobody
/// who can do something waits for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calm {
    workers_first: bool,
    backwards: bool,
    work: Work,
}

/// What comes of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Succeeds,
    Fails,
    KillsItsWorker,
}

/// Every order and end that is looked at.
pub(crate) const CALMS: [Calm; 4] = [
    Calm { workers_first: false, backwards: false, work: Work::Succeeds },
    Calm { workers_first: true, backwards: true, work: Work::Succeeds },
    Calm { workers_first: false, backwards: true, work: Work::Fails },
    Calm { workers_first: true, backwards: false, work: Work::KillsItsWorker },
];

impl Calm {
    pub(crate) fn work_succeeds(self) -> bool {
        self.work == Work::Succeeds
    }
}

/// More rounds than the longest end takes.
pub(crate) const ROUNDS: usize = 60;

impl<const J: usize, const H: usize> World<J, H> {
    /// Every accepted job is closed, no hand holds anything, and of the outputs nothing is left
    /// but what was published.
    pub(crate) fn has_ended(&self) -> bool {
        let hands = self.hands.iter().all(|hand| hand.phase == Phase::Free);
        hands
            && self.jobs.iter().filter(|job| job.is_accepted()).all(|job| {
                let needed = job.row.published.filter(|_| job.row.state == State::Done);
                job.row.state.is_closed() && job.stored().eq(needed)
            })
    }

    /// One round: time goes on, every lease that somebody keeps is renewed, and everybody does what
    /// there is to do, in turn.
    pub(crate) fn round(&mut self, config: &Config<H>, calm: Calm) {
        self.step(config, Action::Tick);
        for hand in 0..H {
            if self.hands[hand].claim.is_some() {
                self.step(config, Action::Beat { hand });
            }
        }
        if !calm.workers_first {
            self.relay_round(config);
        }
        for at in 0..H {
            let hand = if calm.backwards { H - 1 - at } else { at };
            self.hand_round(config, calm, hand);
        }
        if calm.workers_first {
            self.relay_round(config);
        }
    }

    fn relay_round(&mut self, config: &Config<H>) {
        let hold = |rule| config.rules.hold(rule);
        for job in 0..J {
            match self.jobs[job].api {
                Api::Committed => self.step(config, Action::Ring { job }),
                Api::Rung => self.step(config, Action::NoteSent { job }),
                Api::Before | Api::Over => {}
            }
            if hold(Rule::ReaperRuns) {
                self.step(config, Action::Reap { job });
            }
        }
        if hold(Rule::RelaySendsDue) {
            self.step(config, Action::TakeDue);
        }
        self.send_taken(config);
        let empty = self.jobs.iter().all(|job| job.ready == 0);
        if empty && hold(Rule::RelayFindsLost) {
            self.step(config, Action::TakeLost);
            self.send_taken(config);
        }
        for job in 0..J {
            self.step(config, Action::Collect { job });
            // One at a time: what is left is numbered anew.
            let mut row = self.jobs[job].row;
            let mut stored = self.jobs[job].stored();
            let live = row.ask(Call::LiveEpoch, 0, config.rules);
            if let Some(epoch) = stored.find(|epoch| live != Answer::Live(Some(*epoch))) {
                self.step(config, Action::FindGarbage { job, epoch });
                self.step(config, Action::Collect { job });
            }
        }
    }

    fn send_taken(&mut self, config: &Config<H>) {
        for job in 0..J {
            match self.jobs[job].sending {
                Sending::Taken => self.step(config, Action::Send { job }),
                Sending::Unconfirmed => self.step(config, Action::NoteUnsent { job }),
                Sending::Nothing => {}
            }
        }
    }

    fn hand_round(&mut self, config: &Config<H>, calm: Calm, hand: usize) {
        let this = self.hands[hand];
        let ask_or = |ask: bool, other| if ask { Action::Ask { hand } } else { other };
        let action = match this.phase {
            Phase::Free => {
                let first = (0..J).find(|job| self.jobs[*job].ready > 0);
                let Some(job) = first else { return };
                Action::Receive { hand, job }
            }
            Phase::Received => {
                let acked = !this.message || config.rules.hold(Rule::ClaimThenAck);
                ask_or(acked, Action::Ack { hand })
            }
            Phase::Acking => Action::Ack { hand },
            Phase::Working => match calm.work {
                Work::KillsItsWorker => Action::WorkerDies { worker: config.worker_of[hand] },
                Work::Fails => Action::End { hand, how: End::Failed },
                Work::Succeeds if self.has_stored(hand) => Action::End { hand, how: End::Done },
                Work::Succeeds => Action::Store { hand },
            },
            Phase::Closing(_) | Phase::Refused | Phase::Cleaning => Action::Ask { hand },
            Phase::Removing => Action::Remove { hand },
        };
        self.step(config, action);
    }
}
