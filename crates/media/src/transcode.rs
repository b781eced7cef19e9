//! The whole way from input to verified outputs, in one call.

use tokio_util::sync::CancellationToken;

use crate::plan::{Strategy, plan, plan_encode};
use crate::{
    Code, Error, JobDir, Limits, Output, Plan, Profile, Progress, Source, Tools, probe, run, verify,
};

/// What one transcode needs besides its directory.
#[derive(Debug, Clone, Copy)]
pub struct Transcode<'a> {
    /// The programs.
    pub tools: &'a Tools,
    /// The recipe.
    pub profile: &'a Profile,
    /// Threads ffmpeg may use.
    pub threads: u32,
    /// What the video may cost.
    pub limits: &'a Limits,
    /// Fires to give up.
    pub stop: &'a CancellationToken,
}

impl Transcode<'_> {
    /// Probes, plans, runs and verifies.
    ///
    /// A source whose picture was copied, and whose result is then found
    /// wanting, is encoded instead: it only looked conforming.
    pub async fn run(
        &self,
        dir: &JobDir,
        on_progress: impl FnMut(Progress) + Send + Clone + 'static,
    ) -> Result<Output, Error> {
        let source = self.probe(dir).await?;
        self.make(&source, dir, on_progress).await
    }

    /// The first part: finds out what the input is. Cheap next to the second.
    pub async fn probe(&self, dir: &JobDir) -> Result<Source, Error> {
        probe(self.tools, dir, self.limits, self.stop).await
    }

    /// The second part: plans, runs and verifies. It keeps `threads` cores busy.
    pub async fn make(
        &self,
        source: &Source,
        dir: &JobDir,
        on_progress: impl FnMut(Progress) + Send + Clone + 'static,
    ) -> Result<Output, Error> {
        let first = plan(source, self.profile, self.threads, self.limits);
        match self.carry_out(&first, dir, on_progress.clone()).await {
            Err(Error::Rejected(reason)) if first.strategy == Strategy::Copy => {
                tracing::info!(%reason, "copy not usable, encoding");
                self.encode(source, dir, on_progress).await
            }
            done => done,
        }
    }

    async fn encode(
        &self,
        source: &Source,
        dir: &JobDir,
        on_progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Output, Error> {
        dir.clear_out().map_err(|err| Error::io("clearing the output", &err))?;
        let second = plan_encode(source, self.profile, self.threads, self.limits);
        self.carry_out(&second, dir, on_progress).await
    }

    async fn carry_out(
        &self,
        plan: &Plan,
        dir: &JobDir,
        on_progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Output, Error> {
        let report = run(self.tools, plan, dir, self.limits, self.stop, on_progress).await?;
        // A damaged picture is mended as far as it can be by encoding it; a copy keeps it broken.
        if plan.strategy == Strategy::Copy && report.input_errors > 0 {
            return Err(Code::Undecodable.into());
        }
        verify(self.tools, plan, &report, dir, self.limits, self.stop).await
    }
}
