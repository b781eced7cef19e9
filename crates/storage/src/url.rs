use std::fmt;

/// An address that lets whoever has it read one blob for a while. It prints as `[REDACTED]`.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedUrl(pub(crate) String);

impl SignedUrl {
    /// The address itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedUrl([REDACTED])")
    }
}

/// What the answer to a signed URL says of the blob.
#[derive(Debug, Clone, Copy)]
pub struct SignedAs<'a> {
    /// `Content-Type`.
    pub content_type: &'a str,
    /// `Content-Disposition`.
    pub disposition: &'a str,
    /// `Cache-Control`.
    pub cache_control: &'a str,
}
