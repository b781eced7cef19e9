use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep};

/// What a parser may have read without having found anything in it.
const MOST_UNUSED: usize = 256 * 1024;

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body comes too slowly")]
    TooSlow,
    #[error("the body ended early")]
    Gone,
    #[error("the body has no structure")]
    Shapeless,
}

/// What a body must keep to.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    /// Bytes in all.
    pub(super) most: u64,
    /// Time that we may wait in all for the next `stall_bytes`.
    pub(super) stall: Duration,
    pub(super) stall_bytes: u64,
}

/// A client's body: cut at its limits, and handed on chunk by chunk.
pub(super) struct ClientBody {
    data: BodyDataStream,
    limits: BodyLimits,
    read: u64,
    /// Only time that we spend waiting for the client counts, not the time our disk takes.
    waited: Duration,
    since_stall: u64,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    unused: Unused,
    breath: bool,
}

/// Bytes handed on in which nothing was found yet.
#[derive(Clone, Default)]
pub(super) struct Unused(Arc<AtomicUsize>);

impl Unused {
    /// Something was found.
    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn add(&self, bytes: usize) -> usize {
        self.0.fetch_add(bytes, Ordering::Relaxed) + bytes
    }
}

impl ClientBody {
    pub(super) fn new(body: Body, limits: BodyLimits) -> Self {
        Self {
            data: body.into_data_stream(),
            limits,
            read: 0,
            waited: Duration::ZERO,
            since_stall: 0,
            waiting: None,
            unused: Unused::default(),
            breath: false,
        }
    }

    /// To be reset whenever something was found in what was handed on.
    pub(super) fn unused(&self) -> Unused {
        self.unused.clone()
    }

    fn take(&mut self, chunk: Bytes) -> Result<Bytes, BodyError> {
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        let bytes = chunk.len() as u64;
        self.read += bytes;
        self.since_stall += bytes;
        if self.since_stall >= self.limits.stall_bytes {
            (self.since_stall, self.waited) = (0, Duration::ZERO);
        }
        if self.read > self.limits.most {
            return Err(BodyError::TooLarge);
        }
        if self.unused.add(chunk.len()) > MOST_UNUSED {
            return Err(BodyError::Shapeless);
        }
        self.breath = true;
        Ok(chunk)
    }
}

impl Stream for ClientBody {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // The parser reads as long as there is something to read, into memory.
        // A pause after each chunk makes it use the chunk first.
        if std::mem::take(&mut this.breath) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match Pin::new(&mut this.data).poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => Poll::Ready(Some(this.take(chunk))),
            Poll::Ready(Some(Err(_broken))) => Poll::Ready(Some(Err(BodyError::Gone))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let left = this.limits.stall.saturating_sub(this.waited);
                let (_, waiting) =
                    this.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
                waiting.as_mut().poll(cx).map(|()| Some(Err(BodyError::TooSlow)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    fn limits() -> BodyLimits {
        BodyLimits { most: 1 << 20, stall: Duration::from_millis(40), stall_bytes: 1024 }
    }

    fn endless(size: usize) -> Body {
        let chunk = Bytes::from(vec![0; size]);
        Body::from_stream(stream::repeat_with(move || Ok::<_, BodyError>(chunk.clone())))
    }

    async fn error_of(mut body: ClientBody, reset: bool) -> BodyError {
        let unused = body.unused();
        loop {
            match body.next().await {
                Some(Ok(_)) if reset => unused.reset(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return error,
                None => panic!("the body ended"),
            }
        }
    }

    #[tokio::test]
    async fn a_body_past_its_limit_is_cut() {
        let body = ClientBody::new(endless(10_000), limits());
        assert_eq!(error_of(body, true).await, BodyError::TooLarge);
    }

    #[tokio::test]
    async fn a_body_in_which_nothing_is_found_is_cut_early() {
        let body = ClientBody::new(endless(10_000), limits());
        assert_eq!(error_of(body, false).await, BodyError::Shapeless);
    }

    #[tokio::test]
    async fn a_client_that_drips_is_cut_even_though_it_never_stops() {
        let dripping = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok::<_, BodyError>(Bytes::from_static(b"x")), ()))
        });
        let body = ClientBody::new(Body::from_stream(dripping), limits());
        assert_eq!(error_of(body, true).await, BodyError::TooSlow);
    }

    #[tokio::test]
    async fn time_that_we_take_ourselves_is_not_the_clients() {
        let mut body = ClientBody::new(endless(100), limits());
        for _ in 0..5 {
            assert!(body.next().await.unwrap().is_ok());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
