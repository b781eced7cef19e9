//! Who does what in a storm: the upload, the relay, the hands, and what goes wrong.

use std::{mem, time::Duration};

use rand::RngExt;
use reelfleet_job::{RetryPolicy, WorkerId};

use super::Sim;
use crate::{
    Answer, Call, End, Hand, Phase, Rule,
    place::Result,
    world::{Api, Sending},
};

/// No call here waits for a lease to end: whoever lets one end says so, see [`Sim::lease_ends`].
const LEASE: i64 = 60 * 60 * 1000;

/// What is due again is due at once: that retries wait is told by tables of their own.
pub(super) fn policy() -> RetryPolicy {
    RetryPolicy { first: Duration::ZERO, ..RetryPolicy::default() }
}

const MAX_ATTEMPTS: u32 = 3;

impl Sim {
    pub(super) async fn upload(&mut self) -> Result<()> {
        if self.uploads.len() < self.size.jobs.into() && self.rng.random_bool(0.5) {
            return self.submit().await;
        }
        let under_way = |api: Api| api != Api::Over;
        let Some(job) = self.uploads.iter().position(|upload| under_way(upload.0)) else {
            return Ok(());
        };
        let dies = self.rng.random_bool(0.1);
        self.upload_step(job, dies).await
    }

    pub(super) async fn submit(&mut self) -> Result<()> {
        self.place.submit(MAX_ATTEMPTS).await?;
        self.uploads.push((Api::Committed, Sending::Nothing));
        Ok(())
    }

    pub(super) async fn upload_step(&mut self, job: usize, dies: bool) -> Result<()> {
        self.uploads[job].0 = match self.uploads[job].0 {
            _ if dies => Api::Over,
            Api::Committed => {
                self.ready.push(u16::try_from(job)?);
                Api::Rung
            }
            _ => {
                self.place.ask(job, Call::MarkSent).await?;
                Api::Over
            }
        };
        Ok(())
    }

    pub(super) async fn relay(&mut self) -> Result<()> {
        match self.rng.random_range(0..10) {
            0 => self.reap(None).await,
            1 | 2 => self.take_due().await,
            3 => self.take_lost().await,
            4 if self.rng.random_bool(0.1) => {
                self.uploads.iter_mut().for_each(|upload| upload.1 = Sending::Nothing);
                Ok(())
            }
            _ => {
                let taken = |sending: Sending| sending != Sending::Nothing;
                let Some(job) = self.uploads.iter().position(|upload| taken(upload.1)) else {
                    return Ok(());
                };
                let confirmed = self.rng.random_bool(0.9);
                self.send(job, confirmed).await
            }
        }
    }

    pub(super) async fn reap(&mut self, worker: Option<WorkerId>) -> Result<()> {
        if self.rules.hold(Rule::ReaperRuns) {
            let reaped = self.place.reap(worker, &policy()).await?;
            self.tally.reaped += reaped.freed + reaped.dead + reaped.cancelled;
        }
        Ok(())
    }

    pub(super) async fn take_due(&mut self) -> Result<()> {
        if self.rules.hold(Rule::RelaySendsDue) {
            // What is due must not hang on how fast this machine is.
            self.place.later().await;
            let due = self.place.take_due().await?;
            due.into_iter().for_each(|job| self.uploads[job].1 = Sending::Taken);
        }
        Ok(())
    }

    pub(super) async fn take_lost(&mut self) -> Result<()> {
        if self.rules.hold(Rule::RelayFindsLost) {
            self.place.later().await;
            let lost = self.place.take_lost(0).await?;
            lost.into_iter().for_each(|job| self.uploads[job].1 = Sending::Taken);
        }
        Ok(())
    }

    /// Sends what was taken, or notes that it was not confirmed; it may have arrived all the same.
    pub(super) async fn send(&mut self, job: usize, confirmed: bool) -> Result<()> {
        let sending = self.uploads[job].1;
        self.uploads[job].1 = Sending::Nothing;
        if sending == Sending::Unconfirmed {
            self.place.ask(job, Call::UnmarkSent).await?;
        } else if sending == Sending::Taken {
            if confirmed || self.rng.random() {
                self.ready.push(u16::try_from(job)?);
            }
            if !confirmed {
                self.uploads[job].1 = Sending::Unconfirmed;
            }
        }
        Ok(())
    }

    pub(super) async fn hand(&mut self, at: usize) -> Result<()> {
        let chance = self.rng.random_range(0..100);
        match self.hands[at].phase {
            Phase::Received if chance < 5 => {
                self.comes_again(at);
                self.hands[at] = Hand::FREE;
            }
            Phase::Acking if chance < 5 => {
                self.comes_again(at);
                self.acked(at);
            }
            Phase::Working if chance < 20 => self.beat(at).await?,
            Phase::Working if chance < 30 => self.hands[at].ended(End::Failed.outcome()),
            Phase::Working if chance < 33 => self.hands[at].ended(End::Rejected.outcome()),
            Phase::Working if chance < 38 => self.hands[at].ended(End::Interrupted.outcome()),
            _ => self.hand_goes_on(at, chance >= 97).await?,
        }
        Ok(())
    }

    /// The next step of a hand of which nothing is wanted and to which nothing happens, but that
    /// an answer may be lost.
    pub(super) async fn hand_goes_on(&mut self, at: usize, answer_lost: bool) -> Result<()> {
        let this = self.hands[at];
        let job = usize::from(this.job);
        let epoch = this.claim.map_or(0, |claim| claim.epoch);
        match this.phase {
            Phase::Free => {
                if !self.ready.is_empty() {
                    let which = self.rng.random_range(0..self.ready.len());
                    self.hands[at] = Hand::received(self.ready.swap_remove(which));
                }
            }
            Phase::Acking => self.acked(at),
            Phase::Working if self.outputs.insert((job, epoch)) => {}
            Phase::Working => self.hands[at].ended(End::Done.outcome()),
            Phase::Removing => {
                self.outputs.remove(&(job, epoch));
                self.hands[at] = Hand::FREE;
            }
            _ => self.ask(at, answer_lost).await?,
        }
        Ok(())
    }

    async fn ask(&mut self, at: usize, answer_lost: bool) -> Result<()> {
        let this = self.hands[at];
        let (job, worker) = (usize::from(this.job), self.worker_of(at));
        let Some(mut call) = this.call(worker, LEASE, 0) else { return Ok(()) };
        if let (Call::CloseDone { epoch }, false) =
            (&mut call, self.rules.hold(Rule::EpochIsChecked))
        {
            // As if the database did not look at it: whatever epoch is current will do.
            *epoch = self.claims.get(&job).map_or(*epoch, |claim| claim.1);
        }
        let answer = self.place.ask(job, call).await?;
        if let Answer::Claimed(Some(claim)) = answer {
            self.tally.claims += 1;
            self.claims.insert(job, (self.place.worker(worker), claim.epoch));
        }
        self.tally.refused += u64::from(answer == Answer::Effect(false));
        self.tally.answers_lost += u64::from(answer_lost);
        if this.phase == Phase::Received && answer_lost {
            self.comes_again(at);
        }
        self.hands[at].hear((!answer_lost).then_some(answer), 0);
        Ok(())
    }

    fn acked(&mut self, at: usize) {
        self.tally.duplicates_dropped += u64::from(self.hands[at].claim.is_none());
        self.hands[at].acked();
    }

    async fn beat(&mut self, at: usize) -> Result<()> {
        let (this, worker) = (self.hands[at], self.worker_of(at));
        let Some(claim) = this.claim else { return Ok(()) };
        let call = Call::Beat { worker, epoch: claim.epoch, lease: LEASE };
        if let Answer::Beat(beat) = self.place.ask(this.job.into(), call).await? {
            self.hands[at].heard(beat, 0);
        }
        Ok(())
    }

    fn worker_of(&self, hand: usize) -> u8 {
        (hand / self.size.hands) as u8
    }

    fn comes_again(&mut self, at: usize) {
        if mem::take(&mut self.hands[at].message) {
            self.ready.push(self.hands[at].job);
        }
    }

    pub(super) async fn harm(&mut self) -> Result<()> {
        let any_job = self.uploads.len();
        if any_job == 0 {
            return Ok(());
        }
        let job = self.rng.random_range(0..any_job);
        match self.rng.random_range(0..10) {
            0 if !self.ready.is_empty() => {
                let which = self.rng.random_range(0..self.ready.len());
                self.ready.swap_remove(which);
                self.tally.messages_lost += 1;
            }
            1 if !self.ready.is_empty() => {
                let which = self.rng.random_range(0..self.ready.len());
                self.ready.push(self.ready[which]);
                self.tally.messages_doubled += 1;
            }
            2 => {
                let hand = self.rng.random_range(0..self.hands.len());
                self.comes_again(hand);
            }
            3 => self.worker_dies().await?,
            4 | 5 => {
                let hand = self.rng.random_range(0..self.hands.len());
                if self.hands[hand].claim.is_some() {
                    self.frozen.insert(hand);
                    self.lease_ends(self.hands[hand].job.into()).await?;
                }
            }
            9 => _ = self.frozen.pop_first(),
            6 if self.rng.random_bool(0.3) => {
                self.place.ask(job, Call::Cancel).await?;
            }
            7 => {
                let what = if self.rng.random() { Call::Redrive } else { Call::Discard };
                let effect = self.place.ask(job, what).await? == Answer::Effect(true);
                if effect && what == Call::Redrive {
                    self.redriven.insert(job);
                    self.tally.redriven += 1;
                }
            }
            8 => self.collect().await?,
            _ => {}
        }
        Ok(())
    }

    async fn worker_dies(&mut self) -> Result<()> {
        let worker = self.rng.random_range(0..self.size.workers);
        for at in 0..self.hands.len() {
            if self.worker_of(at) == worker {
                self.comes_again(at);
                self.hands[at] = Hand::FREE;
                self.frozen.remove(&at);
            }
        }
        let dead = self.place.worker(worker);
        self.place.replace_worker(worker);
        self.tally.workers_died += 1;
        // Its parent may have seen it.
        if self.rng.random() { self.reap(Some(dead)).await } else { Ok(()) }
    }

    /// Time goes by and nobody renews the lease of a job: a renewal for no time at all has the
    /// same effect on its row, and needs no hour.
    pub(super) async fn lease_ends(&mut self, job: usize) -> Result<()> {
        let Some((worker, epoch)) = self.claims.get(&job).copied() else { return Ok(()) };
        let id = self.place.id(job);
        if self.place.beat(worker, id, epoch, Duration::ZERO).await? != reelfleet_db::Beat::Lost {
            self.tally.leases_over += 1;
            self.place.later().await;
        }
        Ok(())
    }

    /// The collector removes every output that is not live.
    pub(super) async fn collect(&mut self) -> Result<()> {
        for (job, epoch) in self.outputs.clone() {
            if self.place.ask(job, Call::LiveEpoch).await? != Answer::Live(Some(epoch)) {
                self.outputs.remove(&(job, epoch));
            }
        }
        Ok(())
    }
}
