use std::{future::poll_fn, pin::Pin, time::Duration};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::ServiceExt;

use super::{Peer, patient::Patient};
use crate::state::AppState;

/// What a connection buffers at most, and so the longest head of a request.
const BUFFER: usize = 64 * 1024;
/// How long a client that was answered early may go on sending.
const LINGER: Duration = Duration::from_secs(30);
/// How long it may pause while it does.
const LINGER_PAUSE: Duration = Duration::from_secs(3);

/// Answers the requests of one connection until it ends.
pub(super) async fn hold(stream: TcpStream, peer: Peer, router: Router, state: &AppState) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let router = router.clone();
        Box::pin(async move { router.oneshot(request.map(Body::new)).await })
    });
    let io = TokioIo::new(Patient::new(stream, state.config.write_timeout));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(state.config.header_timeout)
        .max_buf_size(BUFFER)
        .serve_connection(io, service);
    let drain = state.shutdown.drain();
    let mut draining = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            () = drain.cancelled(), if !draining => draining = true,
        }
        Pin::new(&mut connection).graceful_shutdown();
    };
    match ended {
        Ok(()) => {}
        // Hyper has answered a head that it cannot read.
        Err(error) if error.is_parse() => {}
        Err(error) => {
            tracing::debug!(%error, "a connection broke");
            return;
        }
    }
    let mut stream = connection.into_parts().io.into_inner().into_inner();
    tokio::select! {
        () = drain.cancelled() => {}
        _ = tokio::time::timeout(LINGER, linger(&mut stream)) => {}
    }
}

/// Says that nothing more comes, and swallows what the client is still sending.
///
/// Closing at once would reset the connection, and a client that is in the
/// middle of an upload would see the reset instead of the answer that refused it.
async fn linger(stream: &mut TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut swallowed = vec![0; 16 * 1024];
    while let Ok(Ok(1..)) = tokio::time::timeout(LINGER_PAUSE, stream.read(&mut swallowed)).await {}
}
