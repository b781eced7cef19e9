//! All that the model knows at one moment: rows, messages, hands, and what is on its way.

use reelfleet_job::State;

use crate::{Call, Hand, Phase, Row};

/// A worker that is no more. Its jobs are still its own until somebody frees them.
pub(crate) const GONE: u8 = u8::MAX;

/// How far the process is that took the upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// There is no row yet.
    Before,
    /// The row is committed.
    Committed,
    /// The message was sent, too.
    Rung,
    /// It noted that, or died.
    Over,
}

/// What the relay has on its way for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sending {
    /// Nothing.
    Nothing,
    /// The row says "sent", and nothing is sent yet.
    Taken,
    /// The broker did not confirm.
    Unconfirmed,
}

/// One job with all that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Job {
    /// Its row.
    pub row: Row,
    /// The upload.
    pub api: Api,
    /// The relay.
    pub sending: Sending,
    /// Messages that wait in its lane.
    pub ready: u8,
    /// Epochs whose outputs are stored, as bits.
    pub outputs: u16,
    /// What the collector is about to remove.
    pub collecting: Option<u32>,
    /// How often a result was published.
    pub effects: u8,
    /// The end that it came to first, but for being dead.
    pub end: Option<State>,
}

/// The whole, with `J` jobs and `H` hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World<const J: usize, const H: usize> {
    /// Every job.
    pub jobs: [Job; J],
    /// Every hand of every worker.
    pub hands: [Hand; H],
}

impl Job {
    /// Whether somebody was told that it was accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.api != Api::Before
    }

    /// Whether outputs of an epoch are stored.
    #[must_use]
    pub fn has_outputs(&self, epoch: u32) -> bool {
        self.outputs & bit(epoch) != 0
    }

    pub(crate) fn store(&mut self, epoch: u32) {
        self.outputs |= bit(epoch);
    }

    pub(crate) fn remove(&mut self, epoch: u32) {
        self.outputs &= !bit(epoch);
    }

    fn order(&self) -> impl Ord + use<> {
        let Self { row, .. } = self;
        let of_row = (row.state as u8, row.epoch, row.attempts, row.lease_until, row.message_at);
        (self.api, self.sending, self.ready, self.outputs, self.collecting, of_row)
    }

    pub(crate) fn stored(&self) -> impl Iterator<Item = u32> + use<> {
        stored(self.outputs)
    }

    /// Notes what a call came to, for the properties.
    pub(crate) fn note(&mut self, call: Call, effect: bool) {
        if effect && matches!(call, Call::CloseDone { .. }) {
            self.effects = (self.effects + 1).min(2);
        }
        if self.end.is_none() && matches!(self.row.state, State::Done | State::Cancelled) {
            self.end = Some(self.row.state);
        }
    }
}

fn stored(outputs: u16) -> impl Iterator<Item = u32> {
    (1..16).filter(move |epoch| outputs & bit(*epoch) != 0)
}

fn bit(epoch: u32) -> u16 {
    1_u16.checked_shl(epoch).unwrap_or(0)
}

impl<const J: usize, const H: usize> World<J, H> {
    /// Nobody has uploaded anything.
    #[must_use]
    pub fn new(max_attempts: u32) -> Self {
        let job = Job {
            row: Row::new(max_attempts, 0),
            api: Api::Before,
            sending: Sending::Nothing,
            ready: 0,
            outputs: 0,
            collecting: None,
            effects: 0,
            end: None,
        };
        Self { jobs: [job; J], hands: [Hand::FREE; H] }
    }

    /// How many messages of a job there are, waiting or in hand.
    #[must_use]
    pub fn messages(&self, job: usize) -> u8 {
        let in_hand = |hand: &&Hand| hand.message && usize::from(hand.job) == job;
        self.jobs[job].ready + self.hands.iter().filter(in_hand).count() as u8
    }

    /// The same world, said in one way. What nobody can tell apart must not count as two worlds,
    /// or there would be endlessly many: epochs only ever meet as "the same" and "later", so they
    /// are numbered anew; a time that is over is over, however long.
    pub(crate) fn settle_down(&mut self) {
        for (at, job) in self.jobs.iter_mut().enumerate() {
            let row = &mut job.row;
            row.lease_until = row.lease_until.map(|until| until.max(-1));
            row.message_at = row.message_at.map(|sent| sent.max(-1));
            row.run_at = if row.state == State::Scheduled { row.run_at.max(0) } else { 0 };
            if row.state.is_closed() {
                // Nothing looks at these again: a redrive begins anew.
                (row.message_at, row.attempts) = (None, 0);
            }
            let mine = |hand: &&mut Hand| hand.claim.is_some() && usize::from(hand.job) == at;
            let mut known = 0_u16;
            let held = self.hands.iter_mut().filter(mine).filter_map(|hand| hand.claim);
            let named = [Some(row.epoch), row.published, job.collecting];
            for epoch in held.map(|claim| claim.epoch).chain(named.into_iter().flatten()) {
                known |= bit(epoch);
            }
            known &= !1;
            // What nobody else has to do with any more counts as collected.
            let kept = stored(job.outputs & known);
            let rank = |epoch: u32| (known & (bit(epoch + 1).wrapping_sub(1))).count_ones();
            job.outputs = kept.map(|epoch| bit(rank(epoch))).sum();
            row.epoch = rank(row.epoch);
            row.published = row.published.map(rank);
            job.collecting = job.collecting.map(rank);
            for hand in self.hands.iter_mut().filter(mine) {
                if let Some(claim) = &mut hand.claim {
                    claim.epoch = rank(claim.epoch);
                }
            }
        }
        for hand in &mut self.hands {
            let lease = if hand.works() { hand.lease_until.max(-1) } else { -1 };
            if let (false, Some(claim)) = (hand.works(), &mut hand.claim) {
                claim.attempts = 0;
            }
            let cleans = matches!(hand.phase, Phase::Cleaning | Phase::Removing);
            let job = &self.jobs[usize::from(hand.job)];
            let nothing = hand.claim.is_none_or(|claim| !job.has_outputs(claim.epoch));
            if hand.phase == Phase::Free || (cleans && nothing) {
                *hand = Hand::FREE;
            }
            hand.lease_until = lease;
        }
    }

    /// Who is who among equal workers, and among jobs, does not matter: of worlds that differ only
    /// in that, one stands for all.
    pub(crate) fn forget_names(&mut self, worker_of: &[u8; H]) {
        if H == 2 {
            let mut other = *self;
            other.hands.reverse();
            for worker in other.jobs.iter_mut().filter_map(|job| job.row.worker.as_mut()) {
                if let Some(at) = worker_of.iter().position(|of| of == worker) {
                    *worker = worker_of[H - 1 - at];
                }
            }
            if other.order() < self.order() {
                *self = other;
            }
        }
        if J == 2 && self.jobs[1].order() < self.jobs[0].order() {
            self.jobs.reverse();
            for hand in self.hands.iter_mut().filter(|hand| hand.phase != Phase::Free) {
                hand.job = 1 - hand.job;
            }
        }
    }

    fn order(&self) -> impl Ord {
        (self.hands, self.jobs.map(|job| job.row.worker))
    }

    /// Time goes on: what was to be at 1 is at 0 now.
    pub(crate) fn tick(&mut self) {
        for Job { row, .. } in &mut self.jobs {
            row.run_at -= 1;
            row.lease_until = row.lease_until.map(|until| until - 1);
            row.message_at = row.message_at.map(|sent| sent - 1);
        }
        for hand in &mut self.hands {
            hand.lease_until -= 1;
        }
    }
}
