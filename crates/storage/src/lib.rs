//! Blobs under typed keys: sources that were uploaded, outputs that were made.
//!
//! ```text
//! api ─► upload ─► sources/{video} ─────────────────────────► fetch ─► worker
//! api ◄─ read(range) ◄─ outputs/{job}/{epoch}/{name} ◄─ put_file ◄─ worker
//! client ◄─ signed_url ◄─┘   (S3 only)
//! ```
//!
//! A blob is there whole or not at all. On local disk it is written under a temporary name,
//! synced, and renamed; on S3 the parts become an object when the upload is completed.
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! use reelfleet_storage::{Key, Storage};
//! let folder = tempfile::tempdir().unwrap();
//! let storage = Storage::local(folder.path()).await.unwrap();
//! let key = Key::source(reelfleet_job::VideoId::generate());
//! let mut upload = storage.upload(&key).await.unwrap();
//! upload.write(b"frames").await.unwrap();
//! upload.publish().await.unwrap();
//! assert_eq!(storage.size(&key).await.unwrap(), Some(6));
//! # });
//! ```

mod blob;
mod config;
#[cfg(test)]
mod conformance;
mod error;
mod fleet;
mod key;
mod local;
mod s3;
mod upload;
mod url;

use std::{path::Path, time::Duration};

use reelfleet_job::{JobId, VideoId};

pub use blob::Blob;
pub use config::{S3Config, STORAGE_DIR, STORAGE_TYPE, StorageConfig, VARS};
pub use error::Error;
pub use fleet::Foreign;
pub use key::{Key, KeyError};
pub use upload::Upload;
pub use url::{SignedAs, SignedUrl};

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
    S3(s3::S3),
}

impl Storage {
    /// Opens the storage that the configuration names.
    ///
    /// # Errors
    ///
    /// The folder cannot be made or written, or the bucket is not there for us.
    pub async fn open(config: &StorageConfig) -> Result<Self> {
        match config {
            StorageConfig::Local { dir } => Self::local(dir).await,
            StorageConfig::S3(config) => Self::s3(config).await,
        }
    }

    /// Storage in a bucket, which must be there.
    ///
    /// # Errors
    ///
    /// There is no such bucket, it is in another region, or it is not ours to read.
    pub async fn s3(config: &S3Config) -> Result<Self> {
        Ok(Self { backend: Backend::S3(s3::S3::open(config).await?) })
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
    /// The disk is full, or the storage is away.
    pub async fn check(&self) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.check().await,
            Backend::S3(s3) => s3.check().await,
        }
    }

    /// Bytes that blobs may still take. None if nothing bounds them.
    ///
    /// # Errors
    ///
    /// The storage is away.
    pub async fn free_bytes(&self) -> Result<Option<u64>> {
        match &self.backend {
            Backend::Local(local) => local.free_bytes().await.map(Some),
            Backend::S3(_) => Ok(None),
        }
    }

    /// Begins to write a blob. Nothing is visible until it is published; dropping it leaves nothing behind.
    ///
    /// # Errors
    ///
    /// The disk is full, or the storage is away.
    pub async fn upload(&self, key: &Key) -> Result<Upload> {
        match &self.backend {
            Backend::Local(local) => local.upload(key).await.map(Upload::from),
            Backend::S3(s3) => Ok(s3.upload(key).into()),
        }
    }

    /// Opens a blob for reading `len` bytes from `start`, or to the end. None if there is no such blob.
    ///
    /// # Errors
    ///
    /// The storage is away.
    pub async fn read(&self, key: &Key, start: u64, len: Option<u64>) -> Result<Option<Blob>> {
        match &self.backend {
            Backend::Local(local) => local.read(key, start, len).await,
            Backend::S3(s3) => s3.read(key, start, len).await,
        }
    }

    /// An address that reads a blob without us, for `expires` from now. None if the storage
    /// has no such addresses. Whether the blob is there is not looked at.
    ///
    /// # Errors
    ///
    /// Our credentials cannot be had.
    pub async fn signed_url(
        &self,
        key: &Key,
        expires: Duration,
        shown: SignedAs<'_>,
    ) -> Result<Option<SignedUrl>> {
        match &self.backend {
            Backend::Local(_) => Ok(None),
            Backend::S3(s3) => s3.signed_url(key, expires, shown).await.map(Some),
        }
    }

    /// Where signed URLs lead (`https://HOST`), for pages that say what they may load.
    #[must_use]
    pub fn signed_origin(&self) -> Option<&str> {
        match &self.backend {
            Backend::Local(_) => None,
            Backend::S3(s3) => Some(s3.signed_origin()),
        }
    }

    /// A blob's size in bytes. None if there is no such blob.
    ///
    /// # Errors
    ///
    /// The storage is away.
    pub async fn size(&self, key: &Key) -> Result<Option<u64>> {
        match &self.backend {
            Backend::Local(local) => local.size(key).await,
            Backend::S3(s3) => s3.size(key).await,
        }
    }

    /// Brings a blob to a path of this machine, for a tool to read.
    ///
    /// # Errors
    ///
    /// There is no such blob, or the disk is full, or the storage is away.
    pub async fn fetch(&self, key: &Key, to: &Path) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.fetch(key, to).await,
            Backend::S3(s3) => s3.fetch(key, to).await,
        }
    }

    /// Stores a file of this machine under a key. The file may be moved away.
    ///
    /// # Errors
    ///
    /// The disk is full, or the storage is away.
    pub async fn put_file(&self, from: &Path, key: &Key) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.put_file(from, key).await,
            Backend::S3(s3) => s3.put_file(from, key).await,
        }
    }

    /// Removes a blob; it is fine if there is none.
    ///
    /// # Errors
    ///
    /// The storage is away.
    pub async fn remove(&self, key: &Key) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.remove(key).await,
            Backend::S3(s3) => s3.remove(key).await,
        }
    }

    /// Removes everything that one epoch of a job stored.
    ///
    /// # Errors
    ///
    /// The storage is away.
    pub async fn remove_epoch(&self, job: JobId, epoch: u64) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.remove_epoch(job, epoch).await,
            Backend::S3(s3) => s3.remove_epoch(job, epoch).await,
        }
    }

    /// Removes everything that a job stored, under any epoch.
    ///
    /// # Errors
    ///
    /// The storage is away.
    pub async fn remove_job(&self, job: JobId) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.remove_job(job).await,
            Backend::S3(s3) => s3.remove_job(job).await,
        }
    }

    /// Every job and epoch that has outputs.
    ///
    /// # Errors
    ///
    /// The storage is away.
    pub async fn output_epochs(&self) -> Result<Vec<(JobId, u64)>> {
        match &self.backend {
            Backend::Local(local) => local.output_epochs().await,
            Backend::S3(s3) => s3.output_epochs().await,
        }
    }

    /// Every video that has a source.
    ///
    /// # Errors
    ///
    /// The storage is away.
    pub async fn sources(&self) -> Result<Vec<VideoId>> {
        match &self.backend {
            Backend::Local(local) => local.sources().await,
            Backend::S3(s3) => s3.sources().await,
        }
    }

    /// Removes what unfinished uploads of dead processes left behind. Returns how many.
    ///
    /// On local disk a lock tells a living upload; on S3 nothing does, so whatever `min_age`
    /// is, an upload is only taken for dead when it has brought nothing for a day.
    ///
    /// # Errors
    ///
    /// The storage is away.
    pub async fn remove_abandoned_uploads(&self, min_age: Duration) -> Result<u64> {
        match &self.backend {
            Backend::Local(local) => local.remove_abandoned_uploads(min_age).await,
            Backend::S3(s3) => s3.remove_abandoned_uploads(min_age).await,
        }
    }
}
