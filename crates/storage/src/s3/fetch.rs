use std::{
    fs,
    path::{Path, PathBuf},
};

use aws_sdk_s3::primitives::ByteStream;
use tokio::io::{AsyncWriteExt, BufWriter};

use super::{
    S3,
    error::{chain, unavailable},
    parts::Sums,
    read::{Got, whole_size},
};
use crate::{Error, Key, Result, local};

/// How much is gathered before it is written.
const BUFFER: usize = 1024 * 1024;

/// After so many cut connections in a row that brought next to nothing, it is given up.
const FRUITLESS: u32 = 4;

/// What counts as next to nothing, bytes.
const LITTLE: u64 = 64 * 1024;

/// A file that is not whole yet. Dropping it removes it.
struct Partial {
    path: PathBuf,
    whole: bool,
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.whole {
            // It is in a folder of the caller's, who removes that in the end.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl S3 {
    pub(crate) async fn fetch(&self, key: &Key, to: &Path) -> Result<()> {
        let Got::Bytes(first) = self.get(key, None, None).await? else {
            return Err(Error::Missing);
        };
        let (size, tag, told) =
            (whole_size(&first), first.e_tag, first.checksum_sha256.unwrap_or_default());
        let path = to.to_owned();
        let file = local::blocking(move || {
            Ok(fs::OpenOptions::new().write(true).create_new(true).open(&path)?)
        })
        .await?;
        let mut partial = Partial { path: to.to_owned(), whole: false };
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(BUFFER);
        let mut taker =
            Taker { file: BufWriter::with_capacity(BUFFER, file), sums: Sums::new(), taken: 0 };

        let (mut body, mut fruitless) = (first.body, 0);
        loop {
            let before = taker.taken;
            let Err(cut) = taker.take(body).await? else { break };
            if taker.taken >= size {
                break;
            }
            fruitless = if taker.taken - before > LITTLE { 0 } else { fruitless + 1 };
            if fruitless == FRUITLESS {
                return Err(unavailable(format!("S3 breaks off in mid-blob: {cut}")));
            }
            let rest = format!("bytes={}-", taker.taken);
            let Got::Bytes(next) = self.get(key, Some(rest), tag.as_deref()).await? else {
                return Err(unavailable("the blob changed while it was read".to_owned()));
            };
            body = next.body;
        }
        taker.file.flush().await?;
        if taker.taken != size || (!told.is_empty() && !taker.sums.agree_with(&told)) {
            return Err(unavailable("what came from S3 is not what was stored".to_owned()));
        }
        partial.whole = true;
        Ok(())
    }
}

struct Taker {
    file: BufWriter<tokio::fs::File>,
    sums: Sums,
    taken: u64,
}

impl Taker {
    /// Takes what comes until the end, or until the connection is cut, which the inner error tells.
    async fn take(&mut self, mut body: ByteStream) -> Result<Result<(), String>> {
        while let Some(bytes) = body.next().await {
            match bytes {
                Ok(bytes) => {
                    self.file.write_all(&bytes).await?;
                    self.sums.update(&bytes);
                    self.taken = self.taken.saturating_add(bytes.len() as u64);
                }
                Err(error) => return Ok(Err(chain(&error))),
            }
        }
        Ok(Ok(()))
    }
}
