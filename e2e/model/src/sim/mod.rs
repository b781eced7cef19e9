//! The real database under hundreds of jobs, in an order that a seed decides, with everything
//! going wrong that can. Then it is calm, and everything must end.

mod calm;
mod fleet;
mod verdict;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use reelfleet_job::WorkerId;

use crate::{
    Hand, Rules,
    place::{self, Place, Result},
    world::{Api, Sending},
};

/// How large.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Jobs.
    pub jobs: u16,
    /// Workers.
    pub workers: u8,
    /// Jobs that a worker may have in hand at once.
    pub hands: usize,
    /// Steps of the storm, for each job.
    pub steps: usize,
}

/// What happened, so that a run in which nothing did is noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a count of what it says")]
pub struct Tally {
    pub done: u64,
    pub dead: u64,
    pub cancelled: u64,
    pub claims: u64,
    pub messages_lost: u64,
    pub messages_doubled: u64,
    pub duplicates_dropped: u64,
    pub workers_died: u64,
    pub leases_over: u64,
    pub reaped: u64,
    pub answers_lost: u64,
    pub refused: u64,
    pub redriven: u64,
}

/// One run.
pub(crate) struct Sim {
    place: Place,
    rng: StdRng,
    rules: Rules,
    size: Size,
    uploads: Vec<(Api, Sending)>,
    redriven: BTreeSet<usize>,
    /// Messages that wait, as numbers of their jobs. They are handed out in any order.
    ready: Vec<u16>,
    hands: Vec<Hand>,
    /// Hands whose worker is frozen.
    frozen: BTreeSet<usize>,
    /// Whose the last claim of each job was: what nobody in the fleet needs to know.
    claims: BTreeMap<usize, (WorkerId, u32)>,
    /// Outputs that are stored, by job and epoch.
    outputs: BTreeSet<(usize, u32)>,
    tally: Tally,
}

/// Runs a storm and the calm after it on a database of its own.
///
/// # Errors
///
/// Something did not end, or had two effects, or the rows do not agree with what happened. It says
/// the seed.
pub async fn simulate(seed: u64, size: Size, rules: Rules) -> Result<Tally> {
    let (_folder, db) = place::sqlite().await?;
    let place = Place::new(db, "owner", size.workers.into()).await?;
    let mut sim = Sim {
        place,
        rng: StdRng::seed_from_u64(seed),
        rules,
        size,
        uploads: Vec::new(),
        redriven: BTreeSet::new(),
        ready: Vec::new(),
        hands: vec![Hand::FREE; usize::from(size.workers) * size.hands],
        frozen: BTreeSet::new(),
        claims: BTreeMap::new(),
        outputs: BTreeSet::new(),
        tally: Tally::default(),
    };
    let run = async {
        for _ in 0..usize::from(size.jobs) * size.steps {
            sim.storm().await?;
        }
        sim.calm_down().await?;
        sim.judge().await
    };
    run.await.map_err(|error| format!("seed {seed}: {error}"))?;
    Ok(sim.tally)
}

impl Sim {
    /// One step of somebody.
    async fn storm(&mut self) -> Result<()> {
        match self.rng.random_range(0..100) {
            0..10 => self.upload().await,
            10..25 => self.relay().await,
            25..95 => {
                let hand = self.rng.random_range(0..self.hands.len());
                if self.frozen.contains(&hand) { Ok(()) } else { self.hand(hand).await }
            }
            _ => self.harm().await,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, dead, cancelled, claims, messages_lost, messages_doubled, .. } = self;
        let Self { duplicates_dropped, workers_died, leases_over, reaped, .. } = self;
        let Self { answers_lost, refused, redriven, .. } = self;
        write!(f, "{done} done, {dead} dead, {cancelled} cancelled; {claims} claims; ")?;
        write!(f, "messages: {messages_lost} lost, {messages_doubled} doubled, ")?;
        write!(
            f,
            "{duplicates_dropped} dropped; {workers_died} workers died, {leases_over} leases "
        )?;
        write!(
            f,
            "ran out, {reaped} jobs freed; {answers_lost} answers lost, {refused} closings "
        )?;
        write!(f, "refused, {redriven} redriven")
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.done += more.done;
        self.dead += more.dead;
        self.cancelled += more.cancelled;
        self.claims += more.claims;
        self.messages_lost += more.messages_lost;
        self.messages_doubled += more.messages_doubled;
        self.duplicates_dropped += more.duplicates_dropped;
        self.workers_died += more.workers_died;
        self.leases_over += more.leases_over;
        self.reaped += more.reaped;
        self.answers_lost += more.answers_lost;
        self.refused += more.refused;
        self.redriven += more.redriven;
    }
}
