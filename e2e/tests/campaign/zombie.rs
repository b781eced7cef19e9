//! Workers that stand still with a job in hand until it was taken from them, and then wake.

use std::time::{Duration, Instant};

use crate::stage::{LEASE, Stage};

/// Who stands still for so long without losing its job holds a lock on the row: it wakes, and
/// was none.
const IN_VAIN: Duration = Duration::from_secs(15);

/// How often the row is asked.
const EVERY: Duration = Duration::from_millis(250);

/// A worker that stands still.
#[derive(Debug)]
pub(crate) struct Frozen {
    which: usize,
    job: String,
    epoch: String,
    since: Instant,
    asked: Instant,
}

/// Those that stand still, and how many woke after their job was another's.
#[derive(Debug, Default)]
pub(crate) struct Zombies {
    asleep: Vec<Frozen>,
    pub(crate) woke: u64,
}

impl Stage {
    /// Stops a worker that transcodes, from the `first` on. False: nobody does just now.
    pub(crate) fn freeze(&mut self, first: usize) -> bool {
        // In a transcode: whoever stands still while it claims and closes jobs that do nothing
        // most likely holds a lock, and on SQLite everybody then waits for that.
        let held = "SELECT worker FROM jobs WHERE state = 'running' AND kind = 'transcode'";
        let held: Vec<_> = self.store.rows(held).into_iter().flatten().collect();
        let Some(which) = self.awake(first, |worker| held.contains(&worker.run.id)) else {
            return false;
        };
        let worker = &mut self.workers[which];
        worker.freeze();
        let held = format!(
            "SELECT id, epoch FROM jobs
              WHERE state = 'running' AND kind = 'transcode' AND worker = '{}' LIMIT 1",
            worker.run.id
        );
        // What it held may have been done before it stood still.
        let Some([job, epoch]) =
            self.store.rows(&held).first().map(|row| [0, 1].map(|n| row[n].clone()))
        else {
            worker.thaw();
            return false;
        };
        let now = Instant::now();
        self.zombies.asleep.push(Frozen { which, job, epoch, since: now, asked: now });
        true
    }

    /// Wakes those whose job was taken from them.
    pub(crate) fn wake(&mut self) {
        let now = Instant::now();
        for mut frozen in std::mem::take(&mut self.zombies.asleep) {
            let asks = now - frozen.since > LEASE && now - frozen.asked > EVERY;
            let Frozen { job, epoch, .. } = &frozen;
            let still = format!(
                "SELECT count(*) FROM jobs WHERE id = '{job}' AND epoch = {epoch} AND state = 'running'"
            );
            let lost = asks && self.store.count(&still) == 0;
            if lost || now - frozen.since > IN_VAIN {
                self.workers[frozen.which].thaw();
                self.zombies.woke += u64::from(lost);
                continue;
            }
            if asks {
                frozen.asked = now;
            }
            self.zombies.asleep.push(frozen);
        }
    }

    pub(crate) fn anybody_sleeps(&self) -> bool {
        !self.zombies.asleep.is_empty()
    }

    /// A worker that does not stand still, from the `first` on.
    pub(crate) fn awake(
        &self,
        first: usize,
        also: impl Fn(&crate::role::Role) -> bool,
    ) -> Option<usize> {
        let count = self.workers.len();
        let wanted = |which: &usize| {
            let worker = &self.workers[*which];
            !worker.frozen && also(worker)
        };
        (first..first + count).map(|nth| nth % count).find(wanted)
    }
}
