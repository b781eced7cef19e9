use std::net::SocketAddr;

use reelfleet_runtime::Clock;
use reelfleet_servers::Ministack;
use reelfleet_storage::{S3Config, Storage};

use crate::{
    app::{Account, App, eventually},
    client::{Answer, Ask},
};

const VIDEO: &[u8] = b"0123456789";

/// An API on a bucket of its own.
async fn start() -> (App, Ministack) {
    let server = Ministack::start();
    // The emulator makes a bucket for whoever asks without credentials, too.
    let made = Ask::new(address(&server.endpoint()).0, "PUT", "/videos").await;
    assert_eq!(made.status, 200, "{made:?}");
    let config = S3Config { bucket: "videos".to_owned(), aws: server.aws() };
    let storage = Storage::s3(&config).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // More than any disk has, and nothing to a bucket.
    let app = App::over(folder, storage, Clock::system(), |config| {
        config.min_free_disk_bytes = u64::MAX;
    });
    (app.await, server)
}

/// Where an address leads: the host, and the rest.
fn address(url: &str) -> (SocketAddr, String) {
    let (host, path) =
        url.strip_prefix("http://").unwrap().split_once('/').unwrap_or((&url[7..], ""));
    (host.parse().unwrap(), format!("/{path}"))
}

async fn ready(app: &App, owner: &Account) -> String {
    let video = app.upload(owner).await;
    app.finish(
        &video,
        &[
            ("web.mp4", "video/mp4", VIDEO),
            ("hls/master.m3u8", "application/vnd.apple.mpegurl", b"#EXTM3U\nv0.m4s\n"),
            ("hls/v0.m4s", "video/iso.segment", b"segment"),
            ("odd.html", "text/html", b"<script>"),
        ],
    )
    .await;
    format!("/api/videos/{}", video["id"].as_str().unwrap())
}

/// Goes where the answer leads, as a client that keeps its credentials to itself.
async fn follow(answer: &Answer, range: &str) -> Answer {
    assert_eq!(answer.status, 302, "{answer:?}");
    assert_eq!((answer.header("cache-control"), answer.body.len()), ("no-store", 0));
    let (host, path) = address(answer.header("location"));
    Ask::new(host, "GET", &path).header("range", range).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_led_to_the_file_and_nobody_else_is() {
    let (app, _server) = start().await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let video = ready(&app, &ann).await;
    for (name, body, content_type, disposition) in [
        ("web.mp4", VIDEO, "video/mp4", "inline"),
        ("hls/v0.m4s", b"segment", "video/iso.segment", "inline"),
        ("odd.html", b"<script>", "application/octet-stream", "attachment"),
    ] {
        let file = format!("{video}/files/{name}");
        let led = app.get(&file).signed(&ann).header("range", "bytes=1-3").await;
        let answer = follow(&led, "bytes=1-3").await;
        assert_eq!((answer.status, &answer.body[..]), (206, &body[1..4]), "{name}");
        assert_eq!(answer.header("content-type"), content_type);
        assert_eq!(answer.header("content-disposition"), disposition);
        assert_eq!(answer.header("cache-control"), "private, no-cache");

        let foreign = app.get(&file).signed(&bob).await;
        assert_eq!(foreign.problem(), (404, "not_found".to_owned()));
        assert_eq!(foreign.header("location"), "");
        assert_eq!(app.get(&file).await.status, 401);
    }
    let missing = app.get(&format!("{video}/files/none.mp4")).signed(&ann).await;
    assert_eq!(missing.problem(), (404, "not_found".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_and_a_head_are_answered_here() {
    let (app, _server) = start().await;
    let ann = app.user("ann").await;
    let video = ready(&app, &ann).await;
    let playlist = app.get(&format!("{video}/files/hls/master.m3u8")).signed(&ann).await;
    assert_eq!((playlist.status, &playlist.body[..]), (200, &b"#EXTM3U\nv0.m4s\n"[..]));
    assert_eq!(playlist.header("content-type"), "application/vnd.apple.mpegurl");
    let head = app.ask("HEAD", &format!("{video}/files/web.mp4")).signed(&ann).await;
    assert_eq!((head.status, head.header("content-length")), (200, "10"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_to_the_bucket_and_one_that_is_refused_leaves_nothing() {
    let (app, _server) = start().await;
    let ann = app.user("ann").await;
    let frames = bytes::Bytes::from(vec![7; 20 << 20]);
    let send = || app.post("/api/videos").signed(&ann).header("content-type", "video/mp4");
    let accepted = send().header("idempotency-key", "once").body(frames.clone()).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    assert_eq!(app.sources().await, 1);
    // The same again adds nothing; the same key for something else is refused.
    let repeated = send().header("idempotency-key", "once").body(frames.clone()).await;
    assert_eq!(repeated.json()["id"], accepted.json()["id"]);
    let other = send().header("idempotency-key", "once").body("else").await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused".to_owned()));
    eventually("one source", async || app.sources().await == 1).await;

    // A bucket is never full, and says so.
    assert_eq!(app.get("/ready").await.status, 200);
    let numbers = app.get("/metrics").await.text();
    assert!(!numbers.contains("reelfleet_disk_free_bytes "), "{numbers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_may_show_what_the_bucket_serves() {
    let (app, server) = start().await;
    let policy = |answer: Answer| answer.header("content-security-policy").to_owned();
    let origin = server.endpoint();
    let wider = policy(app.get("/sign-in").await);
    assert!(wider.contains(&format!("media-src 'self' {origin}; img-src 'self' {origin}")));
    let plain = policy(App::start().await.get("/sign-in").await);
    assert!(wider.starts_with(&plain) && !plain.contains("http"), "{plain}");
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_does_not_answer_is_told_in_time_and_without_details() {
    let (app, mut server) = start().await;
    let ann = app.user("ann").await;
    let video = ready(&app, &ann).await;
    server.freeze();
    let answer = app.get("/ready").await;
    assert_eq!(answer.problem(), (503, "not_ready".to_owned()));
    assert!(!answer.text().contains("videos"), "{answer:?}");
    // Signing asks nobody.
    assert_eq!(app.get(&format!("{video}/files/web.mp4")).signed(&ann).await.status, 302);
    server.thaw();
    eventually("ready", async || app.get("/ready").await.status == 200).await;
}
