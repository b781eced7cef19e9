//! Blobs in a bucket. Nothing else may live in it, and no other fleet.

mod abandoned;
mod body;
mod client;
mod error;
mod fetch;
mod list;
mod parts;
mod read;
mod sign;
#[cfg(test)]
mod tests;
mod upload;

use std::{fmt, io, path::Path, sync::Arc, time::Duration};

use aws_sdk_s3::Client;
use reelfleet_runtime::Clock;
use tokio::{io::AsyncReadExt, sync::Semaphore};

use self::error::{failed, is_missing, no_bucket};
use crate::{Error, Key, Result, S3Config, local};

pub(super) use client::Patience;
pub(crate) use upload::Upload;

/// Parts of the smallest size that all uploads of this process hold in memory at a time, being
/// filled or on their way: 256 MiB. A larger part counts as several. An upload that finds no room
/// for its next part waits, and so does its client.
const ROOM: usize = 32;

/// An upload that brought nothing for so long is dead. A client may be slow: at the least pace
/// that the API puts up with, a part takes hours.
const DEAD_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How much of a file is read at once.
const BUFFER: usize = 256 * 1024;

/// A bucket.
#[derive(Clone)]
pub(crate) struct S3 {
    client: Client,
    bucket: Arc<str>,
    origin: Arc<str>,
    room: Arc<Semaphore>,
    patience: Patience,
    dead_after: Duration,
    clock: Clock,
}

/// The client would show the access key's id.
impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl S3 {
    pub(crate) async fn open(config: &S3Config) -> Result<Self> {
        Self::patient(config, Patience::default()).await
    }

    async fn patient(config: &S3Config, patience: Patience) -> Result<Self> {
        let client = client::connect(config, &patience).await?;
        let mut s3 = Self {
            client,
            bucket: config.bucket.as_str().into(),
            origin: "".into(),
            room: Arc::new(Semaphore::new(ROOM)),
            patience,
            dead_after: DEAD_AFTER,
            clock: Clock::system(),
        };
        s3.check().await?;
        s3.origin = s3.find_origin().await?;
        Ok(s3)
    }

    /// That the bucket answers us. Whether we may write shows with the first blob only.
    pub(crate) async fn check(&self) -> Result<()> {
        let asked = self.client.head_bucket().bucket(&*self.bucket).send().await;
        asked.map(drop).map_err(|error| {
            // An answer without a body says only that much.
            if is_missing(&error) { no_bucket(&self.bucket) } else { self.failed(error) }
        })
    }

    pub(crate) fn upload(&self, key: &Key) -> Upload {
        Upload::new(self.clone(), key.to_string())
    }

    pub(crate) async fn size(&self, key: &Key) -> Result<Option<u64>> {
        let head = self.client.head_object().bucket(&*self.bucket).key(key.to_string());
        match head.send().await {
            Ok(head) => Ok(Some(positive(head.content_length()))),
            Err(error) if is_missing(&error) => {
                // A bucket that is not there looks just the same, and loses nobody's blob.
                self.check().await?;
                Ok(None)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    pub(crate) async fn put_file(&self, from: &Path, key: &Key) -> Result<()> {
        let path = from.to_owned();
        let (file, size) =
            local::blocking(move || local::open_file(&path).map_err(Error::of_blob)).await?;
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(BUFFER);
        let mut upload = self.upload(key);
        let mut buffer = vec![0; BUFFER];
        loop {
            match file.read(&mut buffer).await? {
                0 => break,
                read => upload.write(buffer.get(..read).unwrap_or_default()).await?,
            }
        }
        if upload.bytes() != size {
            return Err(Error::Unavailable(io::Error::other("the file changed while it was read")));
        }
        upload.publish().await
    }

    pub(crate) async fn remove(&self, key: &Key) -> Result<()> {
        let remove = self.client.delete_object().bucket(&*self.bucket).key(key.to_string());
        match remove.send().await {
            Err(error) if !is_missing(&error) => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    fn failed<E>(&self, error: error::SdkError<E>) -> Error
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        failed(&self.bucket, &error)
    }
}

/// A size as S3 tells it. None is of something that has no content.
fn positive(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0)
}
