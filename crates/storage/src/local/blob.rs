use std::{
    fmt, fs,
    io::{Seek, SeekFrom},
    pin::Pin,
};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::blocking;
use crate::Result;

/// How much is read from disk at once.
const BUFFER: usize = 256 * 1024;

/// A blob that is open for reading, or a range of one.
pub struct Blob {
    /// Bytes in the whole blob.
    pub size: u64,
    /// Where the reader begins.
    pub start: u64,
    /// Bytes that the reader gives.
    pub len: u64,
    /// The bytes.
    pub reader: Pin<Box<dyn AsyncRead + Send>>,
}

impl Blob {
    /// The range of an open file, cut to what is there.
    pub(super) async fn open(
        mut file: fs::File,
        size: u64,
        start: u64,
        len: Option<u64>,
    ) -> Result<Self> {
        let start = start.min(size);
        let len = len.unwrap_or(u64::MAX).min(size - start);
        let file = blocking(move || {
            file.seek(SeekFrom::Start(start))?;
            Ok(file)
        })
        .await?;
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(BUFFER);
        Ok(Self { size, start, len, reader: Box::pin(file.take(len)) })
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob")
            .field("size", &self.size)
            .field("start", &self.start)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
