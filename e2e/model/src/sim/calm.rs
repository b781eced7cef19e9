//! Nothing goes wrong any more, and time goes by.

use super::Sim;
use crate::{
    Phase,
    place::Result,
    world::{Api, Sending},
};

/// More than any run needs: each round finishes as many jobs as there are hands.
const ROUNDS_PER_JOB: usize = 20;

/// Steps from a message to a closed job.
const STEPS: usize = 10;

impl Sim {
    /// Until everything has ended.
    pub(super) async fn calm_down(&mut self) -> Result<()> {
        while self.uploads.len() < self.size.jobs.into() {
            self.submit().await?;
        }
        self.frozen.clear();
        for _ in 0..ROUNDS_PER_JOB * (usize::from(self.size.jobs) + 1) {
            if self.has_ended().await? {
                return self.collect().await;
            }
            self.round().await?;
        }
        Err("it did not end".into())
    }

    async fn has_ended(&self) -> Result<bool> {
        let free = self.hands.iter().all(|hand| hand.phase == Phase::Free);
        let backlog = self.place.db.backlog().await?;
        Ok(free && self.ready.is_empty() && backlog.total() + backlog.scheduled == 0)
    }

    async fn round(&mut self) -> Result<()> {
        for job in 0..self.uploads.len() {
            if self.uploads[job].0 != Api::Over {
                self.upload_step(job, false).await?;
            }
        }
        for (job, (_, epoch)) in self.claims.clone() {
            let holds = |hand: &crate::Hand| {
                usize::from(hand.job) == job && hand.claim.is_some_and(|claim| claim.epoch == epoch)
            };
            if !self.hands.iter().any(holds) {
                self.lease_ends(job).await?;
                self.claims.remove(&job);
            }
        }
        self.reap(None).await?;
        self.take_due().await?;
        self.send_taken().await?;
        if self.ready.is_empty() {
            self.take_lost().await?;
            self.send_taken().await?;
        }
        for hand in 0..self.hands.len() {
            for _ in 0..STEPS {
                self.hand_goes_on(hand, false).await?;
            }
        }
        Ok(())
    }

    async fn send_taken(&mut self) -> Result<()> {
        for job in 0..self.uploads.len() {
            if self.uploads[job].1 != Sending::Nothing {
                self.send(job, true).await?;
            }
        }
        Ok(())
    }
}
