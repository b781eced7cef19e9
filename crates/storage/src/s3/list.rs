use std::{str::FromStr, time::Duration};

use aws_sdk_s3::{
    primitives::DateTime,
    types::{Delete, Object, ObjectIdentifier},
};
use reelfleet_job::{JobId, VideoId};
use reelfleet_runtime::Timestamp;

use super::{S3, error::unavailable};
use crate::Result;

/// Sorts after every character that a name may have.
const AFTER_ALL: char = '~';

impl S3 {
    pub(crate) async fn holds_nothing(&self) -> Result<bool> {
        for folder in ["sources/", "outputs/"] {
            if self.page(folder, None).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) async fn output_epochs(&self) -> Result<Vec<(JobId, u64)>> {
        let mut found = Vec::new();
        let mut after = None;
        while let Some(page) = self.page("outputs/", after).await? {
            for key in page.iter().filter_map(Object::key) {
                if let Some(epoch) = epoch_of(key)
                    && found.last() != Some(&epoch)
                {
                    found.push(epoch);
                }
            }
            // The rest of an epoch has nothing new to tell. So a page shows many small epochs,
            // and a large one takes one page.
            after = page.last().and_then(Object::key).map(|last| match epoch_of(last) {
                Some((job, epoch)) => format!("outputs/{job}/{epoch}/{AFTER_ALL}"),
                None => last.to_owned(),
            });
        }
        Ok(found)
    }

    pub(crate) async fn sources(&self) -> Result<Vec<VideoId>> {
        let mut found = Vec::new();
        let mut after = None;
        while let Some(page) = self.page("sources/", after).await? {
            for object in &page {
                let name = object.key().and_then(|key| key.strip_prefix("sources/"));
                found.extend(name.and_then(exactly::<VideoId>));
            }
            after = page.last().and_then(Object::key).map(str::to_owned);
        }
        Ok(found)
    }

    pub(crate) async fn remove_epoch(&self, job: JobId, epoch: u64) -> Result<()> {
        self.remove_below(&format!("outputs/{job}/{epoch}/")).await
    }

    pub(crate) async fn remove_job(&self, job: JobId) -> Result<()> {
        self.remove_below(&format!("outputs/{job}/")).await
    }

    async fn remove_below(&self, prefix: &str) -> Result<()> {
        let mut after = None;
        while let Some(page) = self.page(prefix, after).await? {
            self.remove_all(&page).await?;
            after = page.last().and_then(Object::key).map(str::to_owned);
        }
        Ok(())
    }

    /// Removes what one page lists: no more than one call takes.
    async fn remove_all(&self, page: &[Object]) -> Result<()> {
        let named = page.iter().filter_map(|object| {
            ObjectIdentifier::builder().set_key(object.key.clone()).build().ok()
        });
        let delete = Delete::builder().set_objects(Some(named.collect())).quiet(true).build();
        let delete = delete.map_err(|error| unavailable(error.to_string()))?;
        let remove = self.client.delete_objects().bucket(&*self.bucket).delete(delete);
        let removed = remove.send().await.map_err(|error| self.failed(error))?;
        match removed.errors() {
            [] => Ok(()),
            [first, ..] => Err(unavailable(format!(
                "of {} blobs in the bucket `{}` {} could not be removed ({})",
                page.len(),
                self.bucket,
                removed.errors().len(),
                first.code().unwrap_or("for no reason given"),
            ))),
        }
    }

    /// The next objects below a prefix, in order. None once there are no more.
    async fn page(&self, prefix: &str, after: Option<String>) -> Result<Option<Vec<Object>>> {
        let list = self.client.list_objects_v2().bucket(&*self.bucket).prefix(prefix);
        let page = list.set_start_after(after).send().await;
        let page = page.map_err(|error| self.failed(error))?.contents.unwrap_or_default();
        Ok((!page.is_empty()).then_some(page))
    }

    /// How long ago something was. What has no date is new.
    pub(super) fn age(&self, then: Option<&DateTime>) -> Duration {
        let then = then.and_then(|then| then.to_millis().ok());
        then.map_or(Duration::ZERO, |then| self.clock.now().since(Timestamp::from_millis(then)))
    }
}

/// The job and epoch that an output belongs to.
fn epoch_of(key: &str) -> Option<(JobId, u64)> {
    let mut parts = key.strip_prefix("outputs/")?.splitn(3, '/');
    let epoch = (exactly(parts.next()?)?, exactly(parts.next()?)?);
    parts.next().map(|_name| epoch)
}

/// Text that reads as a `T` and is what that prints as. Anything else is not ours.
fn exactly<T: FromStr + ToString>(text: &str) -> Option<T> {
    text.parse::<T>().ok().filter(|value| value.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_keys_name_an_epoch() {
        let job = JobId::generate();
        assert_eq!(epoch_of(&format!("outputs/{job}/3/hls/a.m4s")), Some((job, 3)));
        for stray in [
            format!("outputs/{job}/03/a"),
            format!("outputs/{job}/3"),
            format!("outputs/{job}/x/a"),
            format!("sources/{job}"),
            "outputs/notes/1/a".to_owned(),
        ] {
            assert_eq!(epoch_of(&stray), None, "{stray}");
        }
    }
}
