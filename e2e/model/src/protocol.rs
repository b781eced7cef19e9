//! The model as the checker sees it: where it begins, what can happen, what must hold.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use reelfleet_job::State;
use stateright::{Model, Property};

use crate::{
    Action, Rules,
    calm::{CALMS, Calm, ROUNDS},
    hand::{Close, Phase},
    world::World,
};

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Config<const H: usize> {
    /// Rules that hold.
    pub rules: Rules,
    /// Each hand's worker: a worker may have several.
    pub worker_of: [u8; H],
    /// Tries of each job.
    pub max_attempts: u32,
    /// The most messages of one job that are anywhere at once.
    pub messages: u8,
    /// What goes wrong.
    pub harm: Harm,
    /// Worlds that differ only in who is who are looked at once. A story is easier to follow without.
    pub nameless: bool,
}

/// What goes wrong, as often as it likes. That everybody may be slow, and wake up long after a
/// lease ran out, is always so: nothing makes anybody take the next step.
#[derive(Debug, Clone, Copy)]
pub struct Harm {
    /// Workers die between any two steps.
    pub workers_die: bool,
    /// So do the process that takes uploads and the relay.
    pub others_die: bool,
    /// Messages and confirmations are lost, messages are doubled.
    pub messages: bool,
    /// The database's answers are lost after it has done what it was asked.
    pub answers: bool,
    /// Work fails, or its input is refused.
    pub failures: bool,
    /// People cancel, redrive and discard.
    pub people: bool,
}

impl Harm {
    /// All of it.
    pub const ALL: Self = Self {
        workers_die: true,
        others_die: true,
        messages: true,
        answers: true,
        failures: true,
        people: true,
    };
    /// None of it.
    pub const NONE: Self = Self {
        workers_die: false,
        others_die: false,
        messages: false,
        answers: false,
        failures: false,
        people: false,
    };
    /// Everybody dies.
    pub const DEATHS: Self = Self { workers_die: true, others_die: true, ..Self::NONE };
}

/// The protocol for `J` jobs and `H` hands.
#[derive(Debug)]
pub struct Protocol<const J: usize, const H: usize> {
    /// What is looked at.
    pub config: Config<H>,
    /// Worlds that are known to end, by the way in which it is calm.
    ends: [Mutex<HashSet<u64>>; CALMS.len()],
}

impl<const J: usize, const H: usize> Protocol<J, H> {
    /// Of a configuration.
    #[must_use]
    pub fn new(config: Config<H>) -> Self {
        Self { config, ends: Default::default() }
    }

    /// Whether everything ends, in every way in which it can be calm from here on while work
    /// succeeds, or while it does not.
    fn ends(&self, world: &World<J, H>, work_succeeds: bool) -> bool {
        let mut ways = CALMS.iter().zip(&self.ends);
        ways.all(|(calm, known)| {
            calm.work_succeeds() != work_succeeds || self.ends_in(*calm, known, *world)
        })
    }

    fn ends_in(&self, calm: Calm, known: &Mutex<HashSet<u64>>, mut world: World<J, H>) -> bool {
        let known = || known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut passed = Vec::new();
        for _ in 0..ROUNDS {
            let print = fingerprint(&world);
            if world.has_ended() || known().contains(&print) {
                known().extend(passed);
                return true;
            }
            passed.push(print);
            world.round(&self.config, calm);
        }
        false
    }
}

fn fingerprint(world: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// That a job has one effect.
pub const ONE_EFFECT: &str = "a job has at most one effect";
/// That the fencing works.
pub const NEWEST_EPOCH: &str = "what is published is of the newest claim";
/// That nobody removes what is needed.
pub const FILES_THERE: &str = "the files of what is published are there";
/// That an end is one.
pub const ENDS_STAY: &str = "a job that is done or cancelled stays so";
/// That tries are bounded.
pub const TRIES_BOUNDED: &str = "no job has more tries than it may";
/// That a cancel counts.
pub const CANCEL_COUNTS: &str = "a job whose cancel was recorded is not published";
/// That leases exclude.
pub const ONE_WORKS: &str = "of the hands that may think their lease holds one works on a job";
/// That nothing is lost.
pub const ALL_ENDS: &str = "once it is calm every accepted job ends and nothing is left over";
/// That nothing is tried for ever.
pub const FAILURES_END: &str = "it ends, too, if each try fails or kills its worker";

impl<const J: usize, const H: usize> Model for Protocol<J, H> {
    type State = World<J, H>;
    type Action = Action;

    fn init_states(&self) -> Vec<Self::State> {
        let mut world = World::new(self.config.max_attempts);
        world.settle_down();
        vec![world]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        state.possible(&self.config, actions);
    }

    fn next_state(&self, last: &Self::State, action: Self::Action) -> Option<Self::State> {
        let mut next = *last;
        next.step(&self.config, action);
        if self.config.nameless {
            next.forget_names(&self.config.worker_of);
        }
        // A step that changes nothing leads nowhere.
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_EFFECT, |_, world: &World<J, H>| {
                world.jobs.iter().all(|job| job.effects <= 1)
            }),
            Property::always(NEWEST_EPOCH, |_, world: &World<J, H>| {
                world.jobs.iter().all(|job| {
                    let newest = job.row.published == Some(job.row.epoch);
                    if job.row.state == State::Done { newest } else { job.row.published.is_none() }
                })
            }),
            Property::always(FILES_THERE, |_, world: &World<J, H>| {
                let there =
                    |job: &crate::Job| job.row.published.is_none_or(|epoch| job.has_outputs(epoch));
                world.jobs.iter().all(there)
            }),
            Property::always(ENDS_STAY, |_, world: &World<J, H>| {
                world.jobs.iter().all(|job| job.end.is_none_or(|end| job.row.state == end))
            }),
            Property::always(TRIES_BOUNDED, |_, world: &World<J, H>| {
                world.jobs.iter().all(|job| job.row.attempts <= job.row.max_attempts)
            }),
            Property::always(CANCEL_COUNTS, |_, world: &World<J, H>| {
                let published = |job: &crate::Job| job.row.state == State::Done;
                world.jobs.iter().all(|job| !(published(job) && job.row.cancel_requested))
            }),
            Property::always(ONE_WORKS, |_, world: &World<J, H>| {
                (0..J).all(|job| {
                    let at_work = world.hands.iter().filter(|hand| {
                        usize::from(hand.job) == job && hand.works() && hand.lease_until >= 0
                    });
                    at_work.count() <= 1
                })
            }),
            Property::always(ALL_ENDS, |model: &Self, world| model.ends(world, true)),
            Property::always(FAILURES_END, |model: &Self, world| model.ends(world, false)),
            // What must be possible, or the rest would prove nothing.
            Property::sometimes("every job is done", |_, world: &World<J, H>| {
                world.jobs.iter().all(|job| job.row.state == State::Done)
            }),
            Property::sometimes("a job is dead", |_, world: &World<J, H>| {
                world.jobs.iter().any(|job| job.row.state == State::Dead)
            }),
            Property::sometimes("a result comes too late", |_, world: &World<J, H>| {
                world.hands.iter().any(|hand| {
                    let row = &world.jobs[usize::from(hand.job)].row;
                    let late = hand.claim.is_some_and(|claim| claim.epoch < row.epoch);
                    hand.phase == Phase::Closing(Close::Done) && late
                })
            }),
            Property::sometimes("two messages of a job are in hand", |_, world: &World<J, H>| {
                let mut hands = world.hands.iter().filter(|hand| hand.message);
                hands.next().is_some_and(|first| hands.any(|hand| hand.job == first.job))
            }),
        ]
    }
}
