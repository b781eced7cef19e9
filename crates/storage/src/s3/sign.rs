use std::{sync::Arc, time::Duration};

use aws_sdk_s3::presigning::PresigningConfig;
use reelfleet_job::VideoId;

use super::{S3, error::unavailable};
use crate::{Key, Result, SignedAs, SignedUrl};

impl S3 {
    pub(crate) async fn signed_url(
        &self,
        key: &Key,
        expires: Duration,
        shown: SignedAs<'_>,
    ) -> Result<SignedUrl> {
        let expires = PresigningConfig::expires_in(expires)
            .map_err(|error| unavailable(error.to_string()))?;
        let get = self.client.get_object().bucket(&*self.bucket).key(key.to_string());
        let signed = get
            .response_content_type(shown.content_type)
            .response_content_disposition(shown.disposition)
            .response_cache_control(shown.cache_control)
            .presigned(expires)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(SignedUrl(signed.uri().to_owned()))
    }

    pub(crate) fn signed_origin(&self) -> &str {
        &self.origin
    }

    /// The host depends on bucket, region and endpoint; only the SDK knows how.
    pub(super) async fn find_origin(&self) -> Result<Arc<str>> {
        let shown = SignedAs { content_type: "", disposition: "", cache_control: "" };
        let any = Key::source(VideoId::generate());
        let url = self.signed_url(&any, Duration::from_secs(1), shown).await?;
        let origin: Vec<&str> = url.expose().splitn(4, '/').take(3).collect();
        Ok(origin.join("/").into())
    }
}
