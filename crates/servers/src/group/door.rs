//! A port of loopback that can be closed for a while.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderValue, header::CONNECTION},
    middleware::map_response,
    response::Response,
    serve::Listener,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

pub(super) struct Door {
    listener: TcpListener,
    closed: Arc<AtomicBool>,
}

impl Door {
    /// Serves on a free port; its address. While `closed`, every connection ends at once.
    pub(super) fn open(
        runtime: &Runtime,
        router: Router,
        closed: Option<Arc<AtomicBool>>,
    ) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        listener.set_nonblocking(true).expect("a socket");
        // A connection that stays open would not notice that the door is closed.
        let router = router.layer(map_response(async |mut answer: Response| {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            answer
        }));
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a runtime");
            let door = Self { listener, closed: closed.unwrap_or_default() };
            let _ = axum::serve(door, router).await;
        });
        format!("http://{address}")
    }
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) if !self.closed.load(Ordering::SeqCst) => return accepted,
                Ok(_refused) => {}
                // Out of file descriptors, most likely.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
