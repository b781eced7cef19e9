//! Whether the model's row and the database's are the same machine.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use reelfleet_db::{Db, Reaped};
use reelfleet_job::{RetryPolicy, State};

use crate::{
    Answer, Call, Row, Rules,
    place::{Place, Result},
};

const JOBS: usize = 3;
const WORKERS: u8 = 3;
const TRIES: u32 = 3;
/// Long enough never to be over; the other duration is none, which is over with the next call.
const HOUR: i64 = 60 * 60 * 1000;

/// What claims came to: their epochs and outcomes.
type History = Vec<(u32, Option<&'static str>)>;

/// What both sides say of a job.
#[derive(Debug, PartialEq)]
struct Seen {
    state: State,
    attempts: u32,
    epoch: u32,
    worker: Option<u8>,
    lease_is_over: Option<bool>,
    is_due: bool,
    cancel_requested: bool,
    published: Option<u32>,
    history: Vec<(u32, Option<String>)>,
}

struct Pair {
    place: Place,
    rows: Vec<Row>,
    histories: Vec<History>,
    now: i64,
    rng: StdRng,
    rules: Rules,
}

/// Asks both sides the same `calls` things in an order that `seed` decides, and compares every
/// answer and every row. With all `rules` they are the same. How many answers had an effect.
///
/// # Errors
///
/// They differ, or the database is away.
pub async fn same(db: &Db, seed: u64, calls: usize, rules: Rules) -> Result<usize> {
    let mut place = Place::new(db.clone(), &format!("same-{seed}"), WORKERS.into()).await?;
    for _ in 0..JOBS {
        place.submit(TRIES).await?;
    }
    let rows = vec![Row::new(TRIES, 0); JOBS];
    let rng = StdRng::seed_from_u64(seed);
    let mut pair = Pair { place, rows, histories: vec![History::new(); JOBS], now: 0, rng, rules };
    let mut told = Vec::new();
    let mut effects = 0;
    for call in 0..calls {
        pair.place.later().await;
        pair.now += 2;
        let before = pair.rows.clone();
        let said = pair.call().await.map_err(|error| error.to_string());
        told.push(format!("{said:?}"));
        let compared = match said {
            // What should not have changed is looked at now and then.
            Ok(_) => pair.compare((call % 10 > 0).then_some(&before)).await,
            Err(error) => Err(error.into()),
        };
        compared.map_err(|error| format!("seed {seed}: {error}\n{}", told.join("\n")))?;
        effects += usize::from(before != pair.rows);
    }
    pair.close().await?;
    Ok(effects)
}

impl Pair {
    async fn call(&mut self) -> Result<String> {
        match self.rng.random_range(0..20) {
            0 => {
                let ours = self.which(|row, now| row.take_due(now));
                let theirs = self.place.take_due().await?;
                equal("take_due", &ours, &theirs)
            }
            1 => {
                let after = if self.rng.random() { 0 } else { HOUR };
                let ours = self.which(|row, now| row.take_lost(now, after));
                let theirs = self.place.take_lost(after).await?;
                equal(&format!("take_lost after {after}"), &ours, &theirs)
            }
            2 => {
                let ours = self.which(|row, _| row.is_unburied());
                let theirs = self.place.unburied().await?;
                equal("unburied", &ours, &theirs)
            }
            3 | 4 => self.reap().await,
            _ => {
                let job = self.rng.random_range(0..JOBS);
                let call = self.any_call(job);
                self.one(job, call).await
            }
        }
    }

    async fn one(&mut self, job: usize, call: Call) -> Result<String> {
        let ours = self.rows[job].ask(call, self.now, self.rules);
        let theirs = self.place.ask(job, call).await?;
        let history = &mut self.histories[job];
        match ours {
            Answer::Claimed(Some(claim)) => history.push((claim.epoch, None)),
            Answer::Effect(true) => {
                if let (Some(last), Some(outcome)) = (history.last_mut(), outcome(call)) {
                    last.1 = Some(outcome);
                }
            }
            _ => {}
        }
        equal(&format!("job {job} {call:?}"), &ours, &theirs)
    }

    async fn reap(&mut self) -> Result<String> {
        let of = self.rng.random_bool(0.3).then(|| self.rng.random_range(0..WORKERS));
        let first = Duration::from_millis(if self.rng.random() { 0 } else { HOUR as u64 });
        // How many tries there are, the row says.
        let policy = RetryPolicy { max_attempts: 1, first, longest: first, factor: 1 };
        let mut ours = Reaped::default();
        for (row, history) in self.rows.iter_mut().zip(&mut self.histories) {
            match row.reap(self.now, of, &policy, self.rules) {
                None => continue,
                Some(State::Cancelled) => ours.cancelled += 1,
                Some(State::Dead) => ours.dead += 1,
                Some(_) => ours.freed += 1,
            }
            if let Some(last) = history.last_mut() {
                last.1 = Some("worker_lost");
            }
        }
        let worker = of.map(|worker| self.place.worker(worker));
        let theirs = self.place.reap(worker, &policy).await?;
        equal(&format!("reap of {of:?}"), &ours, &theirs)
    }

    /// Numbers of the jobs of which `rule` says so.
    fn which(&mut self, mut rule: impl FnMut(&mut Row, i64) -> bool) -> Vec<usize> {
        let now = self.now;
        let rows = self.rows.iter_mut().enumerate();
        rows.filter_map(|(at, row)| rule(row, now).then_some(at)).collect()
    }

    /// Mostly something that makes sense now: of the right epoch, by the right worker.
    fn any_call(&mut self, job: usize) -> Call {
        let row = self.rows[job];
        let rng = &mut self.rng;
        let epoch =
            if rng.random_bool(0.7) { row.epoch } else { rng.random_range(0..row.epoch + 2) };
        let any = rng.random_range(0..WORKERS);
        let worker = if rng.random_bool(0.7) { row.worker.unwrap_or(any) } else { any };
        let time = if rng.random() { 0 } else { HOUR };
        match rng.random_range(0..20) {
            0..=4 => Call::Claim { worker, lease: time },
            5..=7 => Call::Beat { worker, epoch, lease: time },
            8 => Call::CloseDone { epoch },
            9 => Call::CloseDead { epoch },
            10 => Call::CloseCancelled { epoch },
            11 => Call::Retry { epoch, wait: time },
            12 => Call::HandBack { epoch },
            13 => Call::LiveEpoch,
            14 => Call::Cancel,
            15 => Call::Redrive,
            16 if rng.random_bool(0.3) => Call::Discard,
            16 | 17 => Call::MarkSent,
            18 => Call::UnmarkSent,
            _ => Call::MarkBuried,
        }
    }

    /// Compares every row, or only those that should have changed since `before`.
    async fn compare(&self, before: Option<&Vec<Row>>) -> Result<()> {
        for (at, (row, history)) in self.rows.iter().zip(&self.histories).enumerate() {
            if before.is_some_and(|before| before[at] == *row) {
                continue;
            }
            let owned = history.iter().map(|(epoch, of)| (*epoch, of.map(str::to_owned)));
            let ours = Seen {
                state: row.state,
                attempts: row.attempts,
                epoch: row.epoch,
                worker: row.worker,
                lease_is_over: row.lease_until.map(|until| until < self.now + HOUR / 2),
                is_due: row.run_at <= self.now + HOUR / 2,
                cancel_requested: row.cancel_requested,
                published: row.published,
                history: owned.collect(),
            };
            equal(&format!("job {at}"), &ours, &self.seen(at).await?)?;
        }
        Ok(())
    }

    async fn seen(&self, at: usize) -> Result<Seen> {
        let id = self.place.id(at);
        let job = self.place.db.job(id).await?.ok_or("a job is gone")?;
        let mut history = Vec::new();
        for attempt in self.place.db.attempts(id).await? {
            history.push((u32::try_from(attempt.epoch)?, attempt.outcome));
        }
        let soon = reelfleet_runtime::Clock::system().now().plus(Duration::from_secs(30 * 60));
        Ok(Seen {
            state: job.state,
            attempts: job.attempts,
            epoch: u32::try_from(job.epoch)?,
            worker: job.worker.and_then(|worker| self.place.worker_number(worker)),
            lease_is_over: job.lease_until.map(|until| until < soon),
            is_due: job.run_at <= soon,
            cancel_requested: job.cancel_requested,
            published: self.place.published(at).await?,
            history,
        })
    }

    /// Leaves nothing behind that a later run would find.
    async fn close(&mut self) -> Result<()> {
        for job in 0..JOBS {
            self.one(job, Call::Cancel).await?;
            let epoch = self.rows[job].epoch;
            self.one(job, Call::CloseCancelled { epoch }).await?;
            self.one(job, Call::Discard).await?;
        }
        self.compare(None).await
    }
}

fn outcome(call: Call) -> Option<&'static str> {
    match call {
        Call::CloseDone { .. } => Some("done"),
        Call::CloseDead { .. } => Some("dead"),
        Call::CloseCancelled { .. } => Some("cancelled"),
        Call::Retry { .. } => Some("retry"),
        Call::HandBack { .. } => Some("handed_back"),
        _ => None,
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, theirs: &T) -> Result<String> {
    if ours == theirs {
        return Ok(format!("{what}: {ours:?}"));
    }
    Err(format!("{what}: the model says {ours:?}, the database {theirs:?}").into())
}
