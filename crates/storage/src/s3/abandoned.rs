use std::time::Duration;

use aws_sdk_s3::types::MultipartUpload;

use super::{S3, error::is_missing};
use crate::Result;

impl S3 {
    /// Aborts uploads that brought nothing for as long. Nobody can see whether whoever writes
    /// one still lives, so a bound of our own goes before the caller's.
    pub(crate) async fn remove_abandoned_uploads(&self, min_age: Duration) -> Result<u64> {
        let min_age = min_age.max(self.dead_after);
        let (mut removed, mut markers) = (0, (None, None));
        loop {
            let list = self.client.list_multipart_uploads().bucket(&*self.bucket);
            let list = list.set_key_marker(markers.0).set_upload_id_marker(markers.1);
            let page = list.send().await.map_err(|error| self.failed(error))?;
            for upload in page.uploads() {
                if self.age(upload.initiated()) >= min_age
                    && let Some((key, id)) = named(upload)
                    && self.silence(key, id).await?.is_some_and(|silence| silence >= min_age)
                {
                    self.abort(key, id).await?;
                    removed += 1;
                }
            }
            if page.is_truncated() != Some(true) || page.next_key_marker.is_none() {
                return Ok(removed);
            }
            markers = (page.next_key_marker, page.next_upload_id_marker);
        }
    }

    /// How long ago an upload brought its last part. None if it is over.
    async fn silence(&self, key: &str, id: &str) -> Result<Option<Duration>> {
        let mut silence = Duration::MAX;
        let mut marker = None;
        loop {
            let list = self.client.list_parts().bucket(&*self.bucket).key(key).upload_id(id);
            let page = match list.set_part_number_marker(marker).send().await {
                Ok(page) => page,
                Err(error) if is_missing(&error) => return Ok(None),
                Err(error) => return Err(self.failed(error)),
            };
            for part in page.parts() {
                silence = silence.min(self.age(part.last_modified()));
            }
            if page.is_truncated() != Some(true) || page.next_part_number_marker.is_none() {
                return Ok(Some(silence));
            }
            marker = page.next_part_number_marker;
        }
    }
}

/// The upload's key and id, if it is one of ours.
fn named(upload: &MultipartUpload) -> Option<(&str, &str)> {
    let key = upload.key().filter(|key| key.starts_with("sources/") || key.starts_with("outputs/"));
    key.zip(upload.upload_id())
}
