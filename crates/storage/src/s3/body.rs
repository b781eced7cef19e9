use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Bytes that are handed to the connection at once.
const STEP: usize = 64 * 1024;

/// Bytes that leave in small steps. A body that is handed over whole looks sent at once, and
/// then nobody sees that the connection stands still.
struct Steps(Bytes);

/// A body of such steps, which can be sent again.
pub(super) fn stepwise(bytes: Vec<u8>) -> ByteStream {
    let bytes = Bytes::from(bytes);
    ByteStream::new(SdkBody::retryable(move || SdkBody::from_body_1_x(Steps(bytes.clone()))))
}

impl Body for Steps {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let len = self.0.len().min(STEP);
        Poll::Ready((len > 0).then(|| Ok(Frame::data(self.0.split_to(len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}
