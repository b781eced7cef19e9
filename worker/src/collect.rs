//! Removes what nobody needs any more: outputs of lost epochs, blobs of deleted videos, unfinished uploads.

#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use reelfleet_db::Db;
use reelfleet_job::{JobId, VideoId};
use reelfleet_queue::Duty;
use reelfleet_runtime::Shutdown;
use reelfleet_storage::{Key, Storage};

use crate::{
    leftover::{Fate, Nameless, fate},
    scratch::remove_abandoned_scratch,
};

/// How often deleted videos are looked for.
const DELETED_EVERY: Duration = Duration::from_secs(2);

/// Every so many looks, everything that is stored is compared with the rows.
const FULL_EVERY: u32 = 300;

/// Looks for leftovers. Of all collectors one at a time looks into the storage; each looks
/// into its own machine's scratch folder.
#[derive(Debug)]
pub struct Collector {
    db: Db,
    storage: Storage,
    work_dir: PathBuf,
}

/// What one look removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Collected {
    videos: u64,
    epochs: u64,
    sources: u64,
    uploads: u64,
    scratch: u64,
}

/// What is remembered of the full looks of this process.
#[derive(Debug, Default)]
struct Full {
    last: Option<u32>,
    /// Whether the storage was this fleet's.
    ours: bool,
    outputs: Nameless<(JobId, u64)>,
    sources: Nameless<VideoId>,
}

/// A look that may take long: it ends when the duty is another's, or this process leaves.
struct Turn<'a> {
    duty: &'a mut Duty,
    shutdown: &'a Shutdown,
}

impl Turn<'_> {
    async fn goes_on(&mut self) -> Result<bool, String> {
        Ok(!self.shutdown.is_draining() && self.duty.is_mine().await.map_err(text)?)
    }
}

impl Collector {
    /// A collector for a database, its storage and this machine's scratch folder.
    #[must_use]
    pub fn new(db: Db, storage: Storage, work_dir: PathBuf) -> Self {
        Self { db, storage, work_dir }
    }

    /// Works until it is told to leave; the first full look is at once.
    pub async fn run(&self, shutdown: Shutdown) {
        let mut duty = Duty::new(self.db.clone(), "collector");
        let mut full = Full::default();
        for look in 0_u32.. {
            match self.look(look, Instant::now(), &mut duty, &mut full, &shutdown).await {
                Ok(collected) if collected == Collected::default() => {}
                Ok(collected) => tracing::info!(?collected, "removed what nobody needs any more"),
                Err(error) => tracing::warn!(error, "leftovers are looked for again later"),
            }
            if !shutdown.sleep(DELETED_EVERY).await {
                break;
            }
        }
        duty.leave().await;
    }

    async fn look(
        &self,
        look: u32,
        now: Instant,
        duty: &mut Duty,
        full: &mut Full,
        shutdown: &Shutdown,
    ) -> Result<Collected, String> {
        let mut collected = Collected::default();
        let turn = &mut Turn { duty, shutdown };
        if turn.goes_on().await? {
            let due = full.last.is_none_or(|last| look - last >= FULL_EVERY);
            if due {
                full.ours = self.is_ours().await?;
                full.last = Some(look);
            }
            if full.ours {
                collected.videos = self.deleted(turn).await?;
            }
            if full.ours && due {
                self.outputs(now, &mut full.outputs, &mut collected, turn).await?;
                self.sources(now, &mut full.sources, &mut collected, turn).await?;
                self.uploads(&mut collected, turn).await?;
            }
        } else {
            // What was nameless while others looked is not known.
            (full.outputs, full.sources) = Default::default();
        }
        if look.is_multiple_of(FULL_EVERY) && !shutdown.is_draining() {
            let removed = remove_abandoned_scratch(&self.work_dir).map_err(text)?;
            collected.scratch = removed.len() as u64;
        }
        Ok(collected)
    }

    /// One thing that cannot be removed must not keep the others: it is logged, and tried
    /// again with the next look.
    async fn deleted(&self, turn: &mut Turn<'_>) -> Result<u64, String> {
        let mut removed = 0;
        for (video, job) in self.db.deleted_videos(100).await.map_err(text)? {
            if !turn.goes_on().await? {
                break;
            }
            match self.delete(video, job).await {
                Ok(()) => removed += 1,
                Err(error) => {
                    tracing::warn!(error, video.id = %video, "a deleted video is left for later")
                }
            }
        }
        Ok(removed)
    }

    async fn delete(&self, video: VideoId, job: JobId) -> Result<(), String> {
        // Blobs first: if this stops in between, the row is still there to be found.
        self.storage.remove_job(job).await.map_err(text)?;
        self.storage.remove(&Key::source(video)).await.map_err(text)?;
        self.db.purge_video(video).await.map_err(text)
    }

    /// Whether the storage belongs to the fleet whose records these are. What the records do not
    /// name is another fleet's otherwise, and the only copy of it.
    async fn is_ours(&self) -> Result<bool, String> {
        let fleet = self.db.fleet().await.map_err(text)?;
        let foreign = self.storage.take_for(fleet).await.map_err(text)?;
        if let Some(foreign) = foreign {
            tracing::error!("{foreign}");
        }
        Ok(foreign.is_none())
    }

    async fn outputs(
        &self,
        now: Instant,
        nameless: &mut Nameless<(JobId, u64)>,
        collected: &mut Collected,
        turn: &mut Turn<'_>,
    ) -> Result<(), String> {
        let mut unknown = Vec::new();
        for (job, epoch) in self.storage.output_epochs().await.map_err(text)? {
            if !turn.goes_on().await? {
                return Ok(());
            }
            match fate(self.db.epochs(job).await.map_err(text)?, epoch) {
                Fate::Needed => {}
                Fate::Lost => collected.epochs += self.remove_epoch(job, epoch).await,
                Fate::Nameless => unknown.push((job, epoch)),
            }
        }
        for (job, epoch) in nameless.found(now, unknown) {
            if !turn.goes_on().await? {
                return Ok(());
            }
            collected.epochs += self.remove_epoch(job, epoch).await;
        }
        Ok(())
    }

    /// How many it removed.
    async fn remove_epoch(&self, job: JobId, epoch: u64) -> u64 {
        let removed = self.storage.remove_epoch(job, epoch).await;
        if let Err(error) = &removed {
            tracing::warn!(%error, job.id = %job, "outputs are left for later");
        }
        removed.is_ok().into()
    }

    async fn sources(
        &self,
        now: Instant,
        nameless: &mut Nameless<VideoId>,
        collected: &mut Collected,
        turn: &mut Turn<'_>,
    ) -> Result<(), String> {
        let mut unknown = Vec::new();
        for video in self.storage.sources().await.map_err(text)? {
            if !turn.goes_on().await? {
                return Ok(());
            }
            if !self.db.video_exists(video).await.map_err(text)? {
                unknown.push(video);
            }
        }
        for video in nameless.found(now, unknown) {
            if !turn.goes_on().await? {
                return Ok(());
            }
            self.storage.remove(&Key::source(video)).await.map_err(text)?;
            collected.sources += 1;
        }
        Ok(())
    }

    async fn uploads(&self, collected: &mut Collected, turn: &mut Turn<'_>) -> Result<(), String> {
        if turn.goes_on().await? {
            let removed = self.storage.remove_abandoned_uploads(Duration::ZERO).await;
            collected.uploads = removed.map_err(text)?;
        }
        Ok(())
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
