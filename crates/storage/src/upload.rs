use crate::{Result, local, s3};

/// A blob that is being written. Nobody sees it before it is published;
/// dropping it leaves nothing behind.
#[derive(Debug)]
pub struct Upload {
    writer: Writer,
}

/// One arm a storage.
#[derive(Debug)]
enum Writer {
    Local(local::Upload),
    S3(s3::Upload),
}

impl From<local::Upload> for Upload {
    fn from(upload: local::Upload) -> Self {
        Self { writer: Writer::Local(upload) }
    }
}

impl From<s3::Upload> for Upload {
    fn from(upload: s3::Upload) -> Self {
        Self { writer: Writer::S3(upload) }
    }
}

impl Upload {
    /// Appends bytes. After an error the upload can only be dropped.
    ///
    /// # Errors
    ///
    /// The disk is full, or the storage is away.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.writer {
            Writer::Local(upload) => upload.write(bytes).await,
            Writer::S3(upload) => upload.write(bytes).await,
        }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match &self.writer {
            Writer::Local(upload) => upload.bytes(),
            Writer::S3(upload) => upload.bytes(),
        }
    }

    /// Makes the blob durable, then visible under its key, whole.
    ///
    /// # Errors
    ///
    /// The disk is full, or the storage is away. Nothing is visible then, unless the storage
    /// went away in the moment in which it did it.
    pub async fn publish(self) -> Result<()> {
        match self.writer {
            Writer::Local(upload) => upload.publish().await,
            Writer::S3(upload) => upload.publish().await,
        }
    }
}
