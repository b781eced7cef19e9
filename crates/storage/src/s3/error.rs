use std::{error::Error as StdError, io};

use aws_sdk_s3::{config::http::HttpResponse, error::ProvideErrorMetadata};

use crate::Error;

pub(super) type SdkError<E> = aws_sdk_s3::error::SdkError<E, HttpResponse>;

/// Whether the answer was that there is no such object. On a `HEAD`, a bucket that is not there
/// looks the same.
pub(super) fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    status(error) == Some(404) && error.code() != Some("NoSuchBucket")
}

/// Whether the answer was that there is such an object, or that somebody is just making it.
pub(super) fn is_taken<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    matches!(status(error), Some(409 | 412))
}

/// Whether the answer was that a range begins after the end.
pub(super) fn is_outside<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    status(error) == Some(416)
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// An error that names the bucket and what to do, and holds no credentials: of what S3 says
/// only the code is kept, as its sentences name accounts and keys.
pub(super) fn failed<E>(bucket: &str, error: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let answered = error.raw_response().map(|response| Answered {
        status: response.status().as_u16(),
        code: error.code(),
        region: response.headers().get("x-amz-bucket-region"),
    });
    unavailable(match answered {
        // What cannot be read is an answer, too, and may even call itself a success.
        Some(answered) if answered.status >= 300 => answered.explain(bucket),
        Some(_) => format!("S3 answers for the bucket `{bucket}` unreadably: {}", chain(error)),
        None => format!("S3 does not answer for the bucket `{bucket}`: {}", chain(error)),
    })
}

pub(super) fn no_bucket(bucket: &str) -> Error {
    unavailable(format!("there is no bucket `{bucket}`"))
}

pub(super) fn unavailable(what: String) -> Error {
    Error::Unavailable(io::Error::other(what))
}

/// What is known of an answer that is an error.
struct Answered<'a> {
    status: u16,
    code: Option<&'a str>,
    region: Option<&'a str>,
}

impl Answered<'_> {
    fn explain(&self, bucket: &str) -> String {
        match (self.status, self.code.unwrap_or_default()) {
            (_, "NoSuchBucket") => format!("there is no bucket `{bucket}`"),
            (301 | 307, _) | (_, "AuthorizationHeaderMalformed" | "PermanentRedirect") => {
                let region = self.region.unwrap_or("another one");
                format!("the bucket `{bucket}` is not in the region of S3_REGION, but in {region}")
            }
            (401 | 403, "") => format!("access to the bucket `{bucket}` is denied"),
            (401 | 403, code) => format!("access to the bucket `{bucket}` is denied ({code})"),
            (status, "") => format!("S3 refused a call for the bucket `{bucket}` ({status})"),
            (status, code) => {
                format!("S3 refused a call for the bucket `{bucket}` ({status}, {code})")
            }
        }
    }
}

/// An error with its causes.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_names_the_bucket_and_what_is_wrong() {
        for (status, code, region, expected) in [
            (404, Some("NoSuchBucket"), None, "there is no bucket `videos`"),
            (301, None, Some("eu-west-1"), "but in eu-west-1"),
            (400, Some("AuthorizationHeaderMalformed"), None, "but in another one"),
            (403, None, None, "access to the bucket `videos` is denied"),
            (403, Some("AccessDenied"), None, "is denied (AccessDenied)"),
            (403, Some("InvalidAccessKeyId"), None, "is denied (InvalidAccessKeyId)"),
            (503, Some("SlowDown"), None, "(503, SlowDown)"),
            (500, None, None, "(500)"),
        ] {
            let text = Answered { status, code, region }.explain("videos");
            assert!(text.contains(expected) && text.contains("`videos`"), "{text}");
        }
    }
}
