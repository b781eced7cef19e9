//! What an upload takes in memory. Alone in its process, because it measures the whole of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, reason = "only some of what the other tests use is needed here")]

#[path = "../it/app.rs"]
mod app;
#[path = "../it/client.rs"]
mod client;

use bytes::Bytes;
use futures_util::stream;

use crate::app::App;

/// The most memory that this process ever had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_is_never_in_memory() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let before = peak_kib();
    let chunk = Bytes::from(vec![7; 1 << 20]);
    let chunks = stream::iter((0..256).map(move |_| chunk.clone()));
    let ask = app.post("/api/videos").signed(&ann).header("content-type", "video/mp4");
    let sending =
        tokio::time::timeout(std::time::Duration::from_secs(600), ask.stream(chunks).open());
    assert_eq!(sending.await.unwrap().status(), 202);
    let grown = peak_kib() - before;
    // Client and server share this process, so both have to stay small.
    assert!(grown < 64 * 1024, "the peak grew by {grown} KiB");
}
