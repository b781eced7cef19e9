use reelfleet_job::JobId;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::SignedAs;

const SHOWN: SignedAs<'_> = SignedAs {
    content_type: "video/mp4",
    disposition: "attachment; filename=\"web.mp4\"",
    cache_control: "private, no-cache",
};

/// What a client without any credentials is answered: the head in lower case, and the body.
async fn fetch(url: &str, range: &str) -> (String, Vec<u8>) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let ask = format!(
        "GET /{path} HTTP/1.1\r\nhost: {host}\r\nrange: {range}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8_lossy(&answer[..end]).to_lowercase(), answer[end + 4..].to_vec())
}

fn is_forbidden(head: &str) -> bool {
    head.starts_with("http/1.1 403")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_url_reads_one_blob_for_a_while() {
    let s3 = shared().await;
    let job = JobId::generate();
    let (key, other) =
        (Key::output(job, 1, "web.mp4").unwrap(), Key::output(job, 1, "raw.mp4").unwrap());
    put(&s3, &key, b"0123456789").await;
    put(&s3, &other, b"secret").await;
    let storage = storage(&s3);
    let minute = Duration::from_secs(60);
    let url = storage.signed_url(&key, minute, SHOWN).await.unwrap().unwrap();
    assert!(url.expose().starts_with(&format!("{}/", storage.signed_origin().unwrap())));
    assert_eq!(storage.signed_origin(), Some(&*SHARED.endpoint()));
    assert_eq!(format!("{url:?}"), "SignedUrl([REDACTED])");

    let (head, body) = fetch(url.expose(), "bytes=2-5").await;
    assert!(head.starts_with("http/1.1 206"), "{head}");
    for said in [
        "content-type: video/mp4",
        "content-disposition: attachment; filename=\"web.mp4\"",
        "cache-control: private, no-cache",
        "content-range: bytes 2-5/10",
    ] {
        assert!(head.contains(said), "{said}: {head}");
    }
    assert_eq!(body, b"2345");

    let changed = url.expose().replace("web.mp4?", "raw.mp4?");
    assert_ne!(changed, url.expose());
    let (head, body) = fetch(&changed, "bytes=0-").await;
    assert!(is_forbidden(&head) && !body.windows(6).any(|six| six == b"secret"), "{head}");

    let short = storage.signed_url(&key, Duration::from_secs(1), SHOWN).await.unwrap().unwrap();
    eventually("expired", async || is_forbidden(&fetch(short.expose(), "bytes=0-").await.0)).await;
    assert!(!is_forbidden(&fetch(url.expose(), "bytes=0-").await.0));
}
