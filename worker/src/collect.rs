//! Removes what nobody needs any more: outputs of lost epochs, blobs of deleted videos, unfinished uploads.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use reelfleet_db::Db;
use reelfleet_job::{JobId, VideoId};
use reelfleet_queue::Duty;
use reelfleet_runtime::Shutdown;
use reelfleet_storage::{Key, Storage};

use crate::scratch::remove_abandoned_scratch;

/// A source this young may belong to an upload that is about to be recorded.
const YOUNG: Duration = Duration::from_secs(60 * 60);

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
    /// Sources without a row that the last one saw.
    orphans: HashSet<VideoId>,
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
            match self.look(look, &mut duty, &mut full, &shutdown).await {
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
        duty: &mut Duty,
        full: &mut Full,
        shutdown: &Shutdown,
    ) -> Result<Collected, String> {
        let mut collected = Collected::default();
        if duty.is_mine().await.map_err(text)? {
            collected.videos = self.deleted(shutdown).await?;
            if full.last.is_none_or(|last| look - last >= FULL_EVERY) {
                full.last = Some(look);
                self.full(&mut collected, &mut full.orphans, shutdown).await?;
            }
        }
        if look.is_multiple_of(FULL_EVERY) && !shutdown.is_draining() {
            let removed = remove_abandoned_scratch(&self.work_dir).map_err(text)?;
            collected.scratch = removed.len() as u64;
        }
        Ok(collected)
    }

    /// One thing that cannot be removed must not keep the others: it is logged, and tried
    /// again with the next look.
    async fn deleted(&self, shutdown: &Shutdown) -> Result<u64, String> {
        let mut removed = 0;
        for (video, job) in self.db.deleted_videos(100).await.map_err(text)? {
            if shutdown.is_draining() {
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

    async fn full(
        &self,
        collected: &mut Collected,
        orphans: &mut HashSet<VideoId>,
        shutdown: &Shutdown,
    ) -> Result<(), String> {
        for (job, epoch) in self.storage.output_epochs().await.map_err(text)? {
            if shutdown.is_draining() {
                return Ok(());
            }
            if self.db.live_epoch(job).await.map_err(text)? != Some(epoch) {
                match self.storage.remove_epoch(job, epoch).await {
                    Ok(()) => collected.epochs += 1,
                    Err(error) => {
                        tracing::warn!(%error, job.id = %job, "outputs are left for later")
                    }
                }
            }
        }
        let mut seen = HashSet::new();
        for video in self.storage.sources(YOUNG).await.map_err(text)? {
            if shutdown.is_draining() {
                return Ok(());
            }
            if self.db.video_exists(video).await.map_err(text)? {
                continue;
            }
            // S3 counts an object's age from when its upload began: one that took long looks old
            // in the moment before its row is there. So it is removed when it is seen again.
            if orphans.contains(&video) {
                self.storage.remove(&Key::source(video)).await.map_err(text)?;
                collected.sources += 1;
            } else {
                seen.insert(video);
            }
        }
        *orphans = seen;
        collected.uploads =
            self.storage.remove_abandoned_uploads(Duration::ZERO).await.map_err(text)?;
        Ok(())
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
