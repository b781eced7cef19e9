//! Blobs under typed keys: sources that were uploaded, outputs that were made.
//!
//! ```text
//! api ─► upload ─► tmp/… ─(fsync, rename)─► sources/{video} ─► fetch ─► worker
//! api ◄─ open(range) ◄─ outputs/{job}/{epoch}/{name} ◄─ put_file ◄─ worker
//! ```
//!
//! A blob is there whole or not at all: it is written under a temporary name,
//! synced, and renamed.
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! use reelfleet_storage::{Key, Storage};
//! let folder = tempfile::tempdir().unwrap();
//! let storage = Storage::local(folder.path()).await.unwrap();
//! let key = Key::source(reelfleet_job::VideoId::generate());
//! let mut upload = storage.upload().await.unwrap();
//! upload.write(b"frames").await.unwrap();
//! upload.publish(&key).await.unwrap();
//! assert_eq!(storage.size(&key).await.unwrap(), Some(6));
//! # });
//! ```

mod config;
#[cfg(test)]
mod conformance;
mod error;
mod key;
mod local;

use std::path::Path;

use reelfleet_job::{JobId, VideoId};

pub use config::{STORAGE_DIR, StorageConfig, VARS};
pub use error::Error;
pub use key::{Key, KeyError};
pub use local::{Blob, Upload};

/// What calls come back with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The storage, whichever it is.
#[derive(Debug, Clone)]
pub struct Storage {
    backend: Backend,
}

/// One arm a storage.
#[derive(Debug, Clone)]
enum Backend {
    Local(local::Local),
}

impl Storage {
    /// Opens the storage that the configuration names.
    ///
    /// # Errors
    ///
    /// The folder cannot be made or written.
    pub async fn open(config: &StorageConfig) -> Result<Self> {
        Self::local(&config.dir).await
    }

    /// Storage in a folder of this machine. Makes it if it is not there.
    ///
    /// # Errors
    ///
    /// The folder cannot be made or written.
    pub async fn local(dir: &Path) -> Result<Self> {
        Ok(Self { backend: Backend::Local(local::Local::open(dir).await?) })
    }

    /// Checks that a blob could be written now.
    ///
    /// # Errors
    ///
    /// The disk is full or away.
    pub async fn check(&self) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.check().await,
        }
    }

    /// Bytes that blobs may still take.
    ///
    /// # Errors
    ///
    /// The disk is away.
    pub async fn free_bytes(&self) -> Result<u64> {
        match &self.backend {
            Backend::Local(local) => local.free_bytes().await,
        }
    }

    /// Begins to write a blob. Nothing is visible until it is published; dropping it leaves nothing behind.
    ///
    /// # Errors
    ///
    /// The disk is full or away.
    pub async fn upload(&self) -> Result<Upload> {
        match &self.backend {
            Backend::Local(local) => local.upload().await,
        }
    }

    /// Opens a blob for reading `len` bytes from `start`, or to the end. None if there is no such blob.
    ///
    /// # Errors
    ///
    /// The disk is away.
    pub async fn read(&self, key: &Key, start: u64, len: Option<u64>) -> Result<Option<Blob>> {
        match &self.backend {
            Backend::Local(local) => local.read(key, start, len).await,
        }
    }

    /// A blob's size in bytes. None if there is no such blob.
    ///
    /// # Errors
    ///
    /// The disk is away.
    pub async fn size(&self, key: &Key) -> Result<Option<u64>> {
        match &self.backend {
            Backend::Local(local) => local.size(key).await,
        }
    }

    /// Brings a blob to a path of this machine, for a tool to read.
    ///
    /// # Errors
    ///
    /// There is no such blob, or the disk is full or away.
    pub async fn fetch(&self, key: &Key, to: &Path) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.fetch(key, to).await,
        }
    }

    /// Stores a file of this machine under a key. The file may be moved away.
    ///
    /// # Errors
    ///
    /// The disk is full or away.
    pub async fn put_file(&self, from: &Path, key: &Key) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.put_file(from, key).await,
        }
    }

    /// Removes a blob; it is fine if there is none.
    ///
    /// # Errors
    ///
    /// The disk is away.
    pub async fn remove(&self, key: &Key) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.remove(key).await,
        }
    }

    /// Removes everything that one epoch of a job stored.
    ///
    /// # Errors
    ///
    /// The disk is away.
    pub async fn remove_epoch(&self, job: JobId, epoch: u64) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.remove_epoch(job, epoch).await,
        }
    }

    /// Removes everything that a job stored, under any epoch.
    ///
    /// # Errors
    ///
    /// The disk is away.
    pub async fn remove_job(&self, job: JobId) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.remove_job(job).await,
        }
    }

    /// Every job and epoch that has outputs.
    ///
    /// # Errors
    ///
    /// The disk is away.
    pub async fn output_epochs(&self) -> Result<Vec<(JobId, u64)>> {
        match &self.backend {
            Backend::Local(local) => local.output_epochs().await,
        }
    }

    /// Every video that has a source, if the source is older than `min_age`.
    ///
    /// # Errors
    ///
    /// The disk is away.
    pub async fn sources(&self, min_age: std::time::Duration) -> Result<Vec<VideoId>> {
        match &self.backend {
            Backend::Local(local) => local.sources(min_age).await,
        }
    }

    /// Removes what unfinished uploads of dead processes left behind. Returns how many.
    ///
    /// # Errors
    ///
    /// The disk is away.
    pub async fn remove_abandoned_uploads(&self, min_age: std::time::Duration) -> Result<u64> {
        match &self.backend {
            Backend::Local(local) => local.remove_abandoned_uploads(min_age).await,
        }
    }
}
