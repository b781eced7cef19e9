use std::{fmt, pin::Pin};

use tokio::io::AsyncRead;

/// A blob that is open for reading, or a range of one.
pub struct Blob {
    /// Bytes in the whole blob.
    pub size: u64,
    /// Where the reader begins.
    pub start: u64,
    /// Bytes that the reader gives.
    pub len: u64,
    /// The bytes. No read waits without a bound.
    pub reader: Pin<Box<dyn AsyncRead + Send>>,
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
