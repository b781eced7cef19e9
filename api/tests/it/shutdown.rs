use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::net::TcpStream;

use crate::{
    app::{App, eventually},
    client::upload_begun,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_under_way_is_finished_during_the_drain_and_nothing_new_begins() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (sender, uploading) = upload_begun(&app, &ann).await;
    app.shutdown.start_drain();
    eventually("no connection is taken", async || TcpStream::connect(app.address).await.is_err())
        .await;
    sender.send(Bytes::from_static(b"second")).await.unwrap();
    drop(sender);
    let answer = uploading.await.unwrap();
    assert_eq!((answer.status, &answer.json()["source_bytes"]), (202, &12.into()));
    tokio::time::timeout(Duration::from_secs(10), app.server).await.expect("still there").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_takes_too_long_is_cut_off_and_leaves_nothing() {
    let app = App::with(|config| config.drain_uploads = Duration::from_millis(100)).await;
    let ann = app.user("ann").await;
    let ask = app.post("/api/videos").signed(&ann).header("content-type", "video/mp4");
    let body = stream::unfold(0, |n| async move {
        if n > 0 {
            std::future::pending::<()>().await;
        }
        Some((Bytes::from_static(b"first"), n + 1))
    });
    let uploading =
        tokio::spawn(async { tokio::spawn(ask.stream(body).into_future()).await.is_err() });
    eventually("the upload has begun", async || app.temporary_files() == 1).await;
    app.shutdown.start_drain();
    tokio::time::timeout(Duration::from_secs(10), app.server).await.expect("still there").unwrap();
    let left = std::fs::read_dir(app.folder.path().join("blobs/tmp")).unwrap().count();
    assert_eq!(left, 0);
    uploading.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_hold_up_the_drain() {
    let app = App::start().await;
    let idle = TcpStream::connect(app.address).await.unwrap();
    assert_eq!(app.get("/health").await.status, 200);
    app.shutdown.start_drain();
    tokio::time::timeout(Duration::from_secs(5), app.server).await.expect("still there").unwrap();
    drop(idle);
}
