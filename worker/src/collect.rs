//! Removes what nobody needs any more: outputs of lost epochs, blobs of deleted videos, unfinished uploads.

use std::{path::PathBuf, time::Duration};

use reelfleet_db::Db;
use reelfleet_job::{JobId, VideoId};
use reelfleet_runtime::Shutdown;
use reelfleet_storage::{Key, Storage};

use crate::scratch::remove_abandoned_scratch;

/// A source this young may belong to an upload that is about to be recorded.
const YOUNG: Duration = Duration::from_secs(60 * 60);

/// How often deleted videos are looked for.
const DELETED_EVERY: Duration = Duration::from_secs(2);

/// Every so many looks, everything that is stored is compared with the rows.
const FULL_EVERY: u32 = 300;

/// Looks for leftovers. It acts on what is there and remembers nothing.
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

impl Collector {
    /// A collector for a database, its storage and this machine's scratch folder.
    #[must_use]
    pub fn new(db: Db, storage: Storage, work_dir: PathBuf) -> Self {
        Self { db, storage, work_dir }
    }

    /// Works until it is told to leave; the first full look is at once.
    pub async fn run(&self, shutdown: Shutdown) {
        for look in 0_u32.. {
            let result = match look % FULL_EVERY {
                0 => self.full(&shutdown).await,
                _ => self
                    .deleted(&shutdown)
                    .await
                    .map(|videos| Collected { videos, ..Collected::default() }),
            };
            match result {
                Ok(collected) if collected == Collected::default() => {}
                Ok(collected) => tracing::info!(?collected, "removed what nobody needs any more"),
                Err(error) => tracing::warn!(error, "leftovers are looked for again later"),
            }
            if !shutdown.sleep(DELETED_EVERY).await {
                return;
            }
        }
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

    async fn full(&self, shutdown: &Shutdown) -> Result<Collected, String> {
        let videos = self.deleted(shutdown).await?;
        let mut collected = Collected { videos, ..Collected::default() };
        for (job, epoch) in self.storage.output_epochs().await.map_err(text)? {
            if shutdown.is_draining() {
                return Ok(collected);
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
        for video in self.storage.sources(YOUNG).await.map_err(text)? {
            if shutdown.is_draining() {
                return Ok(collected);
            }
            if !self.db.video_exists(video).await.map_err(text)? {
                self.storage.remove(&Key::source(video)).await.map_err(text)?;
                collected.sources += 1;
            }
        }
        collected.uploads =
            self.storage.remove_abandoned_uploads(Duration::ZERO).await.map_err(text)?;
        collected.scratch = remove_abandoned_scratch(&self.work_dir).map_err(text)?.len() as u64;
        Ok(collected)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
