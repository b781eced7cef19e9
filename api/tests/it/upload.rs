use bytes::Bytes;
use futures_util::stream;

use crate::{app::App, forms::form};

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_upload_is_accepted_with_its_details_from_the_query() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let answer = app
        .post("/api/videos?title=My%20clip&profile=hls&priority=high")
        .signed(&ann)
        .header("content-type", "video/mp4")
        .body("frames")
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let video = answer.json();
    let id = video["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/api/videos/{id}"));
    assert_eq!(video["title"], "My clip");
    assert_eq!(video["profile"], "hls");
    assert_eq!(video["priority"], "high");
    assert_eq!(video["status"], "queued");
    assert_eq!(video["source_bytes"], 6);
    assert_eq!(video["files"], serde_json::json!([]));
    for absent in ["error", "started_at", "finished_at", "duration_s", "width", "height"] {
        assert!(video[absent].is_null() && video.as_object().unwrap().contains_key(absent));
    }
    let shown = app.get(answer.header("location")).signed(&ann).await;
    assert_eq!(shown.json(), video);
    assert_eq!((app.temporary_files(), app.sources().await), (0, 1));
    assert_eq!(app.db.lane_depths().await.unwrap().iter().map(|lane| lane.ready).sum::<u64>(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_upload_that_says_wrong_things_is_refused() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let long = "x".repeat(201);
    for (query, media_type, body, expected) in [
        ("", "text/html", "frames", (415, "unsupported_media_type")),
        ("", "image/png", "frames", (415, "unsupported_media_type")),
        ("", "video/mp4", "", (400, "empty_file")),
        ("?profile=none", "video/mp4", "frames", (422, "unknown_profile")),
        ("?priority=first", "video/mp4", "frames", (422, "unknown_priority")),
        ("?title=a%00b", "video/mp4", "frames", (422, "bad_title")),
        (&format!("?title={long}"), "video/mp4", "frames", (422, "bad_title")),
    ] {
        let answer = app
            .post(&format!("/api/videos{query}"))
            .signed(&ann)
            .header("content-type", media_type)
            .body(body)
            .await;
        assert_eq!(answer.problem(), (expected.0, expected.1.to_owned()), "{query} {media_type}");
    }
    let no_type = app.post("/api/videos").signed(&ann).body("frames").await;
    assert_eq!(no_type.problem().0, 415);
    let nobody = app.post("/api/videos").header("content-type", "video/mp4").body("frames").await;
    assert_eq!(nobody.problem(), (401, "not_signed_in".to_owned()));
    assert_eq!((app.temporary_files(), app.sources().await), (0, 0));
}

/// A5: too large.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_past_the_limit_is_refused_with_and_without_a_length() {
    let app = App::with(|config| config.max_upload_bytes = 200_000).await;
    let ann = app.user("ann").await;
    let ask = || app.post("/api/videos").signed(&ann).header("content-type", "video/mp4");
    let exact = ask().body(vec![0; 200_000]).await;
    assert_eq!(exact.status, 202, "{exact:?}");

    let declared = ask().body(vec![0; 200_001]).await;
    assert_eq!(declared.problem(), (413, "too_large".to_owned()));
    assert_eq!(declared.header("connection"), "close");

    let chunks = stream::iter((0..100).map(|_| Bytes::from(vec![0; 10_000])));
    let streamed = ask().stream(chunks).await;
    assert_eq!(streamed.problem(), (413, "too_large".to_owned()));

    let (media_type, body) = form(&[("file", Some("a.mp4"), &vec![0; 200_001])]);
    let in_form =
        app.post("/api/videos").signed(&ann).header("content-type", &media_type).body(body);
    assert_eq!(in_form.await.problem(), (413, "too_large".to_owned()));
    assert_eq!((app.temporary_files(), app.sources().await), (0, 1));
}

/// A5: empty.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_body_without_a_length_is_an_empty_file() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let ask = app.post("/api/videos").signed(&ann).header("content-type", "video/mp4");
    let answer = ask.stream(stream::empty()).await;
    assert_eq!(answer.problem(), (400, "empty_file".to_owned()));
    assert_eq!(app.temporary_files(), 0);
}
