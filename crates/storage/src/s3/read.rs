use aws_sdk_s3::{operation::get_object::GetObjectOutput, types::ChecksumMode};

use super::{
    S3,
    error::{is_missing, is_outside},
    positive,
};
use crate::{Blob, Key, Result};

/// Beyond this no blob goes, and some stores cannot read the number.
const FARTHEST: u64 = 1 << 60;

/// What came of asking for bytes.
pub(super) enum Got {
    Bytes(Box<GetObjectOutput>),
    /// There is no such blob.
    Nothing,
    /// The blob ends before the range begins.
    Outside,
}

impl S3 {
    pub(crate) async fn read(
        &self,
        key: &Key,
        start: u64,
        len: Option<u64>,
    ) -> Result<Option<Blob>> {
        if len == Some(0) || start > FARTHEST {
            return self.read_nothing(key, start).await;
        }
        let range = match len {
            None if start == 0 => None,
            None => Some(format!("bytes={start}-")),
            Some(len) => {
                Some(format!("bytes={start}-{}", start.saturating_add(len - 1).min(FARTHEST)))
            }
        };
        match self.get(key, range, None).await? {
            Got::Bytes(got) => {
                let len = positive(got.content_length());
                let size = whole_size(&got);
                Ok(Some(Blob { size, start, len, reader: Box::pin(got.body.into_async_read()) }))
            }
            Got::Nothing => Ok(None),
            Got::Outside => self.read_nothing(key, start).await,
        }
    }

    /// No byte of a blob, but its size.
    async fn read_nothing(&self, key: &Key, start: u64) -> Result<Option<Blob>> {
        let Some(size) = self.size(key).await? else { return Ok(None) };
        let reader = Box::pin(tokio::io::empty());
        Ok(Some(Blob { size, start: start.min(size), len: 0, reader }))
    }

    /// Asks for a range, of this version only if its tag is given.
    pub(super) async fn get(
        &self,
        key: &Key,
        range: Option<String>,
        tag: Option<&str>,
    ) -> Result<Got> {
        let get = self.client.get_object().bucket(&*self.bucket).key(key.to_string());
        let get = get.set_range(range).set_if_match(tag.map(str::to_owned));
        match get.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(got) => Ok(Got::Bytes(Box::new(got))),
            Err(error) if is_missing(&error) => Ok(Got::Nothing),
            Err(error) if is_outside(&error) => Ok(Got::Outside),
            Err(error) => Err(self.failed(error)),
        }
    }
}

/// The size of the whole blob, of which the answer may hold a range.
pub(super) fn whole_size(got: &GetObjectOutput) -> u64 {
    let whole = got.content_range().and_then(|range| range.rsplit('/').next()?.parse().ok());
    whole.unwrap_or_else(|| positive(got.content_length()))
}
