//! Which faults, in which order: decided by the seed alone.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

/// How much of everything.
#[derive(Debug)]
pub(crate) struct Size {
    /// Jobs that do nothing.
    pub(crate) noops: u64,
    /// Videos of a second, besides one for each freeze.
    pub(crate) videos: u64,
    pub(crate) worker_kills: u64,
    pub(crate) api_kills: u64,
    pub(crate) freezes: u64,
    pub(crate) broker_restarts: u64,
    pub(crate) database_restarts: u64,
    pub(crate) cuts: u64,
}

/// For `make test`.
pub(crate) const SHORT: Size = Size {
    noops: 400,
    videos: 4,
    worker_kills: 8,
    api_kills: 3,
    freezes: 2,
    broker_restarts: 2,
    database_restarts: 1,
    cuts: 4,
};

/// For the results.
pub(crate) const LONG: Size = Size {
    noops: 10_000,
    videos: 100,
    worker_kills: 800,
    api_kills: 200,
    // Some stand still with a lock on their row, and keep their job.
    freezes: 110,
    broker_restarts: 100,
    database_restarts: 20,
    cuts: 100,
};

/// For the results on SQLite, where one lock is everybody's: a quarter stand still with it.
pub(crate) const LONG_ON_SQLITE: Size = Size { freezes: 150, ..LONG };

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9` of a worker.
    KillWorker(usize),
    /// `kill -9` of an API process, with its relay.
    KillApi(usize),
    /// A worker with a job in hand stands still until its lease is over and the job was taken from
    /// it, and wakes.
    Freeze(usize),
    /// `kill -9` of the broker, and a start.
    RestartBroker,
    /// `kill -9` of the database, and a start.
    RestartDatabase,
    /// A connection that dies after a request and before its reply.
    Cut,
}

/// One step: a fault, and how long to wait before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) after_ms: u64,
    pub(crate) fault: Fault,
}

/// The steps of a campaign. A backend that is its own database restarts that in the place of a
/// broker, one without any server neither.
pub(crate) fn steps(
    size: &Size,
    seed: u64,
    (workers, apis): (usize, usize),
    (broker, database): (bool, bool),
) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut faults = Vec::new();
    let mut add = |count: u64, fault: &mut dyn FnMut() -> Fault| {
        faults.extend((0..count).map(|_| fault()));
    };
    add(size.worker_kills, &mut || Fault::KillWorker(random.random_range(0..workers)));
    add(size.api_kills, &mut || Fault::KillApi(random.random_range(0..apis)));
    add(size.freezes, &mut || Fault::Freeze(random.random_range(0..workers)));
    add(size.cuts, &mut || Fault::Cut);
    if broker {
        add(size.broker_restarts, &mut || Fault::RestartBroker);
    }
    if database {
        let as_broker = if broker { 0 } else { size.broker_restarts };
        add(size.database_restarts + as_broker, &mut || Fault::RestartDatabase);
    }
    faults.shuffle(&mut random);
    faults.into_iter().map(|fault| Step { after_ms: random.random_range(0..400), fault }).collect()
}
