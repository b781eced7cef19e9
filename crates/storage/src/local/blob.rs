use std::{
    fs,
    io::{Seek, SeekFrom},
};

use tokio::io::AsyncReadExt;

use super::blocking;
use crate::{Blob, Result};

/// How much is read from disk at once.
const BUFFER: usize = 256 * 1024;

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
