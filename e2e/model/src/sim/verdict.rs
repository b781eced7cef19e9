//! What must be so when everything has ended.

use reelfleet_job::State;

use super::Sim;
use crate::{Answer, Call, place::Result};

impl Sim {
    /// Every job closed, one effect each, and rows, attempts and outputs that agree.
    pub(super) async fn judge(&mut self) -> Result<()> {
        for job in 0..self.uploads.len() {
            self.judge_job(job).await.map_err(|error| format!("job {job}: {error}"))?;
        }
        Ok(())
    }

    async fn judge_job(&mut self, at: usize) -> Result<()> {
        let job = self.place.db.job(self.place.id(at)).await?.ok_or("its row is gone")?;
        let attempts = self.place.db.attempts(self.place.id(at)).await?;
        let outcomes: Vec<_> =
            attempts.iter().map(|attempt| attempt.outcome.as_deref().unwrap_or("open")).collect();
        let published = self.place.published(at).await?;
        let stored: Vec<u32> =
            self.outputs.iter().filter(|(job, _)| *job == at).map(|(_, epoch)| *epoch).collect();
        let of = |outcome| outcomes.iter().filter(|of| **of == outcome).count();

        match job.state {
            State::Done => self.tally.done += 1,
            State::Dead => self.tally.dead += 1,
            State::Cancelled => self.tally.cancelled += 1,
            _ => {}
        }
        let is_done = job.state == State::Done;
        let newest = Some(u32::try_from(job.epoch)?).filter(|_| is_done);
        let numbered = attempts.iter().zip(1..).all(|(attempt, epoch)| attempt.epoch == epoch);
        let charged = outcomes.len() - of("handed_back");
        let checks = [
            (job.state.is_closed(), "is not closed"),
            (of("done") == usize::from(is_done), "has not one effect"),
            (published == newest, "was not published by its newest claim"),
            (stored.iter().copied().eq(newest), "has other outputs than the published ones"),
            (!is_done || outcomes.last() == Some(&"done"), "went on after its end"),
            (!(is_done && job.cancel_requested), "was published though it was cancelled"),
            (job.attempts <= job.max_attempts, "had more tries than it may"),
            (self.redriven.contains(&at) || job.attempts as usize == charged, "is charged wrongly"),
            (numbered && attempts.len() as u64 == job.epoch, "lacks an attempt"),
            (of("open") == 0, "has an open attempt"),
            (self.place.ask(at, Call::LiveEpoch).await? == Answer::Live(newest), "is live wrongly"),
        ];
        match checks.iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, what)) => {
                Err(format!("{what}: {job:?}, {outcomes:?}, {published:?}, {stored:?}").into())
            }
        }
    }
}
