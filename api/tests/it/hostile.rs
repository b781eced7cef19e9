use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    app::{Account, App, eventually},
    client::send_raw,
};

fn head(account: &Account, length: &str) -> String {
    format!(
        "POST /api/videos HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: video/mp4\r\n{length}\r\n\r\n",
        account.token
    )
}

/// A4: it vanishes.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_leaves_nothing_behind() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    for sent in [0, 1, 1000, 100_000, 400_000] {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(head(&ann, "content-length: 500000").as_bytes()).await.unwrap();
        stream.write_all(&vec![7; sent]).await.unwrap();
        if sent > 0 {
            eventually("the upload has begun", async || app.temporary_files() == 1).await;
        }
        drop(stream);
        eventually("the temporary file is gone", async || app.temporary_files() == 0).await;
    }
    // A chunked body that ends without its last chunk is none either.
    let body = "10\r\n0123456789abcdef\r\n";
    let answer = {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(head(&ann, "transfer-encoding: chunked").as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    };
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    eventually("the temporary file is gone", async || app.temporary_files() == 0).await;
    assert_eq!((app.videos(&ann).await.len(), app.sources().await), (0, 0));
}

/// A4: it drips.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_drips_is_dropped_and_leaves_nothing() {
    let app = App::with(|config| config.upload_stall = Duration::from_millis(300)).await;
    let ann = app.user("ann").await;
    let drip = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Bytes::from_static(b"x"), ()))
    });
    let ask = app.post("/api/videos").signed(&ann).header("content-type", "video/mp4");
    let answer = ask.stream(drip.boxed()).await;
    assert_eq!(answer.problem(), (408, "upload_too_slow".to_owned()));
    let ask = app.post("/api/videos").signed(&ann).header("content-type", "video/mp4");
    let silent = ask.stream(stream::pending()).await;
    assert_eq!(silent.problem(), (408, "upload_too_slow".to_owned()));
    assert_eq!((app.temporary_files(), app.sources().await), (0, 0));
}

/// A4: many at once.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_slow_clients_do_not_keep_a_normal_one_out() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let mut slow = Vec::new();
    for n in 0..200 {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        let begun = head(&ann, "content-length: 500000");
        // Some stop in the head, some in a body that nobody may send.
        let sent =
            if n % 2 == 0 { begun[..20].to_owned() } else { begun.replace("Bearer ", "Bearer x") };
        stream.write_all(sent.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    app.upload(&ann).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_cut_off() {
    let app = App::with(|config| config.header_timeout = Duration::from_millis(200)).await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut answer = Vec::new();
    let ended =
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is still open");
}

/// A load balancer keeps connections for its next requests.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_kept_for_as_long_as_it_is_set() {
    for (timeout, kept) in [(Duration::from_millis(200), false), (Duration::from_secs(600), true)] {
        let app = App::with(|config| config.header_timeout = timeout).await;
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 4096];
        assert!(stream.read(&mut answer).await.unwrap() > 0);
        let ended =
            tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut answer)).await;
        assert_eq!(ended.is_err(), kept, "{timeout:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_is_cut_off_where_no_upload_is_meant() {
    let app = App::with(|config| config.request_timeout = Duration::from_millis(200)).await;
    let login = app.post("/api/auth/login").header("content-type", "application/json");
    let answer = login.stream(stream::pending()).await;
    assert_eq!(answer.problem(), (503, "busy".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_all_before_it_reads_still_sees_why_it_is_refused() {
    let app = App::with(|config| config.max_upload_bytes = 1_000_000).await;
    let ann = app.user("ann").await;
    let body = vec![7_u8; 30_000_000];
    let nobody = head(&ann, "content-length: 30000000").replace("Bearer ", "Bearer x");
    let answer = send_raw(app.address, &[nobody.as_bytes(), &body]).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");

    let declared = head(&ann, "content-length: 30000000");
    let answer = send_raw(app.address, &[declared.as_bytes(), &body]).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("too_large"), "{answer}");

    let chunked = head(&ann, "transfer-encoding: chunked");
    let answer =
        send_raw(app.address, &[chunked.as_bytes(), b"1c9c380\r\n", &body, b"\r\n0\r\n\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("too_large"), "{answer}");
    assert_eq!((app.temporary_files(), app.sources().await), (0, 0));
}

/// A5: a length that lies.
#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_lies_does_not_smuggle_anything() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    // Shorter than the body: the rest is no request of ours.
    let short = head(&ann, "content-length: 6");
    let answer = send_raw(app.address, &[short.as_bytes(), b"framesGET /metrics\r\n\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(app.videos(&ann).await[0]["source_bytes"], 6);
    let both = head(&ann, "content-length: 6\r\ncontent-length: 7");
    let answer = send_raw(app.address, &[both.as_bytes(), b"framesx"]).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let negative = head(&ann, "content-length: -1");
    let answer = send_raw(app.address, &[negative.as_bytes()]).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_past_the_limit_wait_until_idle_ones_are_cut_off() {
    let app = App::with(|config| {
        config.max_connections = 2;
        config.header_timeout = Duration::from_millis(300);
    })
    .await;
    let one = TcpStream::connect(app.address).await.unwrap();
    let two = TcpStream::connect(app.address).await.unwrap();
    assert_eq!(app.get("/health").await.status, 200);
    drop((one, two));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_cut_off() {
    let app = App::with(|config| config.write_timeout = Duration::from_millis(300)).await;
    let ann = app.user("ann").await;
    let video = app.upload(&ann).await;
    let large = vec![7; 30_000_000];
    app.finish(&video, &[("web.mp4", "video/mp4", &large)]).await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let ask = format!(
        "GET /api/videos/{}/files/web.mp4 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        video["id"].as_str().unwrap(),
        ann.token
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    // The drain waits for what is being sent; it would wait much longer than this.
    app.shutdown.start_drain();
    tokio::time::timeout(Duration::from_secs(10), app.server).await.expect("still there").unwrap();
}
