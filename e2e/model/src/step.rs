//! What each step does.

use reelfleet_job::RetryPolicy;

use crate::{
    Action, Answer, Call, Config, Rule,
    hand::{Hand, Phase},
    world::{Api, GONE, Sending, World},
};

/// By the model's clock, which has no smaller step than one: a lease or a message that nobody
/// sees to is over with the next one, a retry is due with the next one.
const LEASE: i64 = 0;
const LOST_AFTER: i64 = 0;
const WAIT: i64 = 1;
const NOW: i64 = 0;

impl<const J: usize, const H: usize> World<J, H> {
    /// Does it.
    pub(crate) fn step(&mut self, config: &Config<H>, action: Action) {
        match action {
            Action::Submit { job } => self.jobs[job].api = Api::Committed,
            Action::Ring { job } => {
                self.send(config, job);
                self.jobs[job].api = Api::Rung;
            }
            Action::NoteSent { job } => {
                self.ask(config, job, Call::MarkSent);
                self.jobs[job].api = Api::Over;
            }
            Action::ApiDies { job } => self.jobs[job].api = Api::Over,
            Action::TakeDue => self.take(|row| row.take_due(NOW)),
            Action::TakeLost => self.take(|row| row.take_lost(NOW, LOST_AFTER)),
            Action::Send { job } => {
                self.send(config, job);
                self.jobs[job].sending = Sending::Nothing;
            }
            Action::SendUnconfirmed { job, arrives } => {
                if arrives {
                    self.send(config, job);
                }
                self.jobs[job].sending = Sending::Unconfirmed;
            }
            Action::NoteUnsent { job } => {
                self.ask(config, job, Call::UnmarkSent);
                self.jobs[job].sending = Sending::Nothing;
            }
            Action::RelayDies => {
                self.jobs.iter_mut().for_each(|job| job.sending = Sending::Nothing);
            }
            Action::Reap { job } => self.reap(config, job, None),
            Action::ReapDeadWorker { job } => self.reap(config, job, Some(GONE)),
            Action::Lose { job } => self.jobs[job].ready -= 1,
            Action::Double { job } => self.jobs[job].ready += 1,
            Action::WorkerDies { worker } => self.dies(config, worker),
            Action::Cancel { job } => _ = self.ask(config, job, Call::Cancel),
            Action::Redrive { job } => _ = self.ask(config, job, Call::Redrive),
            Action::Discard { job } => _ = self.ask(config, job, Call::Discard),
            Action::FindGarbage { job, epoch } => {
                let live = self.ask(config, job, Call::LiveEpoch);
                if live != Answer::Live(Some(epoch)) {
                    self.jobs[job].collecting = Some(epoch);
                }
            }
            Action::Collect { job } => {
                if let Some(epoch) = self.jobs[job].collecting.take() {
                    self.jobs[job].remove(epoch);
                }
            }
            Action::Tick => self.tick(),
            of_a_hand => self.step_of_hand(config, of_a_hand),
        }
        self.settle_down();
    }

    fn step_of_hand(&mut self, config: &Config<H>, action: Action) {
        match action {
            Action::Receive { hand, job } => {
                self.jobs[job].ready -= 1;
                self.hands[hand] = Hand::received(job as u16);
            }
            Action::ComesAgain { hand } => self.comes_again(hand),
            Action::Release { hand } => {
                self.comes_again(hand);
                self.hands[hand] = Hand::FREE;
            }
            Action::Ask { hand } => self.hand_asks(config, hand, true),
            Action::AnswerLost { hand } => self.hand_asks(config, hand, false),
            Action::Ack { hand } if self.hands[hand].phase == Phase::Received => {
                self.hands[hand].message = false;
            }
            Action::Ack { hand } => self.hands[hand].acked(),
            Action::AckLost { hand } => {
                self.comes_again(hand);
                self.hands[hand].acked();
            }
            Action::Beat { hand } => self.beat(config, hand),
            Action::Store { hand } => {
                if let Some(claim) = self.hands[hand].claim {
                    self.jobs[self.job_of(hand)].store(claim.epoch);
                }
            }
            Action::End { hand, how } => self.hands[hand].ended(how.outcome()),
            Action::GiveUpClosing { hand } => self.hands[hand] = Hand::FREE,
            Action::Remove { hand } => {
                if let Some(claim) = self.hands[hand].claim {
                    self.jobs[self.job_of(hand)].remove(claim.epoch);
                }
                self.hands[hand] = Hand::FREE;
            }
            _ => {}
        }
    }

    fn job_of(&self, hand: usize) -> usize {
        usize::from(self.hands[hand].job)
    }

    fn ask(&mut self, config: &Config<H>, job: usize, call: Call) -> Answer {
        let job = &mut self.jobs[job];
        let answer = job.row.ask(call, NOW, config.rules);
        job.note(call, answer == Answer::Effect(true));
        answer
    }

    /// A lane that is full loses what comes on top: no more than losing it later.
    fn send(&mut self, config: &Config<H>, job: usize) {
        if self.messages(job) < config.messages {
            self.jobs[job].ready += 1;
        }
    }

    fn take(&mut self, mut due: impl FnMut(&mut crate::Row) -> bool) {
        for job in self.jobs.iter_mut().filter(|job| job.is_accepted()) {
            if due(&mut job.row) {
                job.sending = Sending::Taken;
            }
        }
    }

    fn reap(&mut self, config: &Config<H>, job: usize, dead: Option<u8>) {
        let wait = std::time::Duration::from_millis(WAIT.unsigned_abs());
        let policy = RetryPolicy { first: wait, factor: 1, ..RetryPolicy::default() };
        let job = &mut self.jobs[job];
        job.row.reap(NOW, dead, &policy, config.rules);
        job.note(Call::LiveEpoch, false);
    }

    /// The broker takes the message in hand for not acknowledged in time.
    fn comes_again(&mut self, hand: usize) {
        if std::mem::take(&mut self.hands[hand].message) {
            self.jobs[self.job_of(hand)].ready += 1;
        }
    }

    fn hand_asks(&mut self, config: &Config<H>, hand: usize, heard: bool) {
        let this = self.hands[hand];
        let worker = config.worker_of[hand];
        if this.phase == Phase::Cleaning && !config.rules.hold(Rule::CleanUpAsks) {
            self.hands[hand].phase = Phase::Removing;
            return;
        }
        let Some(call) = this.call(worker, LEASE, WAIT) else { return };
        let answer = self.ask(config, self.job_of(hand), call);
        if this.phase == Phase::Received && !heard {
            self.comes_again(hand);
        }
        self.hands[hand].hear(heard.then_some(answer), NOW + LEASE);
        let claimed = self.hands[hand].phase == Phase::Acking;
        if claimed && !config.rules.hold(Rule::ClaimThenAck) {
            self.hands[hand].acked();
        }
    }

    fn beat(&mut self, config: &Config<H>, hand: usize) {
        let Some(claim) = self.hands[hand].claim else { return };
        let worker = config.worker_of[hand];
        let call = Call::Beat { worker, epoch: claim.epoch, lease: LEASE };
        if let Answer::Beat(beat) = self.ask(config, self.job_of(hand), call) {
            self.hands[hand].heard(beat, NOW + LEASE);
        }
    }

    /// Another worker takes its place at once, under the same number; no row is its own.
    fn dies(&mut self, config: &Config<H>, worker: u8) {
        for hand in (0..H).filter(|hand| config.worker_of[*hand] == worker) {
            self.comes_again(hand);
            self.hands[hand] = Hand::FREE;
        }
        for job in self.jobs.iter_mut().filter(|job| job.row.worker == Some(worker)) {
            job.row.worker = Some(GONE);
        }
    }
}
