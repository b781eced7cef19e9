use std::{convert::Infallible, net::SocketAddr, pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{Request, body::Frame, header::HeaderMap};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
};

use crate::app::{Account, App, eventually};

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A request about to be sent. Awaiting it sends it.
pub(crate) struct Ask {
    address: SocketAddr,
    request: hyper::http::request::Builder,
    body: Body,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        let request =
            Request::builder().method(method).uri(path).header("host", address.to_string());
        Self { address, request, body: Full::default().boxed_unsync() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn signed(self, account: &Account) -> Self {
        self.header("authorization", &format!("Bearer {}", account.token))
    }

    pub(crate) fn cookie(self, account: &Account) -> Self {
        self.header("cookie", &format!("reelfleet_session={}", account.token))
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Full::new(body.into()).boxed_unsync();
        self
    }

    pub(crate) fn json(self, json: &serde_json::Value) -> Self {
        self.header("content-type", "application/json").body(json.to_string())
    }

    /// A body without a length.
    pub(crate) fn stream(mut self, stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        let frames = stream.map(|bytes| Ok(Frame::data(bytes)));
        self.body = StreamBody::new(frames).boxed_unsync();
        self
    }

    /// Sends it, and returns once the answer's head is there.
    pub(crate) async fn open(self) -> hyper::Response<hyper::body::Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(self.request.body(self.body).unwrap()).await.unwrap()
    }

    async fn send(self) -> Answer {
        let (head, body) = self.open().await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }
}

impl IntoFuture for Ask {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            let sent = tokio::time::timeout(Duration::from_secs(60), self.send()).await;
            sent.expect("no answer")
        })
    }
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a problem, once it has the form of one.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["detail"].as_str().unwrap().ends_with('.'), "{problem}");
        assert!(!problem["title"].as_str().unwrap().is_empty());
        if matches!(self.status, 429 | 503 | 507) {
            assert!(self.header("retry-after").parse::<u32>().unwrap() > 0, "{self:?}");
        }
        (self.status, problem["code"].as_str().unwrap().to_owned())
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, self.text())
    }
}

/// A client that writes bytes as they are, all of them before it reads, as simple clients do.
pub(crate) async fn send_raw(address: SocketAddr, parts: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for part in parts {
        stream.write_all(part).await.expect("the connection was reset while sending");
    }
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), reading).await.expect("no end").expect("reset");
    String::from_utf8_lossy(&answer).into_owned()
}

/// An upload of which the first six bytes have arrived. The rest is what is sent; it ends when the
/// sender is dropped.
pub(crate) async fn upload_begun(
    app: &App,
    account: &Account,
) -> (mpsc::Sender<Bytes>, JoinHandle<Answer>) {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let body =
        stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let ask =
        app.post("/api/videos").signed(account).header("content-type", "video/mp4").stream(body);
    let uploading = tokio::spawn(ask.into_future());
    sender.send(Bytes::from_static(b"first ")).await.unwrap();
    eventually("the upload has begun", async || app.temporary_files() == 1).await;
    (sender, uploading)
}
