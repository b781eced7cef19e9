use futures_util::future::join_all;

use crate::app::{App, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_counts_unfinished_videos_only_and_each_user_alone() {
    let app = App::with(|config| config.quota_unfinished_videos = 2).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let first = app.upload(&ann).await;
    app.upload(&ann).await;
    let ask = || app.post("/api/videos").signed(&ann).header("content-type", "video/mp4").body("x");
    assert_eq!(ask().await.problem(), (429, "quota_exceeded".to_owned()));
    app.upload(&bob).await;
    app.finish(&first, &[]).await;
    assert_eq!(ask().await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_holds_against_many_uploads_at_once() {
    let app = App::with(|config| config.quota_unfinished_videos = 5).await;
    let ann = app.user("ann").await;
    let asks = (0..30).map(|_| {
        app.post("/api/videos")
            .signed(&ann)
            .header("content-type", "video/mp4")
            .body("x")
            .into_future()
    });
    let answers = join_all(asks).await;
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    assert!((1..=5).contains(&accepted), "{accepted}");
    for answer in answers.iter().filter(|answer| answer.status != 202) {
        assert_eq!(answer.problem(), (429, "quota_exceeded".to_owned()));
    }
    assert_eq!(app.videos(&ann).await.len(), accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_uploads_at_once_are_accepted_or_told_to_come_back() {
    let app = App::with(|config| {
        config.max_uploads_at_once = 8;
        config.quota_unfinished_videos = 1000;
    })
    .await;
    let ann = app.user("ann").await;
    let asks = (0..100).map(|_| {
        let ask = app.post("/api/videos").signed(&ann).header("content-type", "video/mp4");
        ask.body(vec![1; 300_000]).into_future()
    });
    let answers = join_all(asks).await;
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    for answer in answers.iter().filter(|answer| answer.status != 202) {
        let (status, code) = answer.problem();
        assert!(status == 429 && code == "too_many_uploads" || status == 503, "{answer:?}");
    }
    assert!(accepted >= 8, "{accepted}");
    assert_eq!(app.videos(&ann).await.len(), accepted);
    assert_eq!((app.temporary_files(), app.sources().await), (0, accepted));
    // Every place is free again.
    eventually("a place is free", async || {
        let ask = app.post("/api/videos").signed(&ann).header("content-type", "video/mp4");
        ask.body("x").await.status == 202
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_free_space_refuses_uploads_before_they_are_read() {
    let app = App::with(|config| config.min_free_disk_bytes = u64::MAX / 2).await;
    let ann = app.user("ann").await;
    let ask = app.post("/api/videos").signed(&ann).header("content-type", "video/mp4").body("x");
    assert_eq!(ask.await.problem(), (507, "disk_full".to_owned()));
    assert_eq!(app.get("/ready").await.problem(), (503, "not_ready".to_owned()));
    assert_eq!(app.get("/health").await.status, 200);
}

/// B21: at the API.
#[tokio::test(flavor = "multi_thread")]
async fn a_json_body_is_limited_and_must_be_json() {
    let app = App::start().await;
    let post = |media_type: &str, body: String| {
        app.post("/api/auth/login").header("content-type", media_type).body(body)
    };
    for (media_type, body, expected) in [
        ("application/json", "{".to_owned(), (400, "bad_json")),
        ("application/json", String::new(), (400, "bad_json")),
        ("application/json", r#"{"email":"a@b.de"}"#.to_owned(), (400, "bad_json")),
        (
            "application/json",
            r#"{"email":1,"password":"hunter2hunter2"}"#.to_owned(),
            (400, "bad_json"),
        ),
        (
            "application/json",
            format!(r#"{{"email":"{}"}}"#, "x".repeat(70_000)),
            (413, "too_large"),
        ),
        ("text/plain", "{}".to_owned(), (415, "unsupported_media_type")),
        ("application/x-www-form-urlencoded", "a=b".to_owned(), (415, "unsupported_media_type")),
    ] {
        let answer = post(media_type, body.clone()).await;
        assert_eq!(answer.problem(), (expected.0, expected.1.to_owned()), "{body}");
        assert!(!answer.text().contains("hunter2"));
    }
    let deep = "[".repeat(60_000);
    assert_eq!(post("application/json", deep).await.problem().1, "bad_json");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_route_and_a_wrong_method_are_problems() {
    let app = App::start().await;
    for path in
        ["/api/nothing", "/nothing/at/all", "/api/videos/", "/api//videos", "/..%2f..%2fetc"]
    {
        assert_eq!(app.get(path).await.problem(), (404, "not_found".to_owned()), "{path}");
    }
    for (method, path) in [
        ("PUT", "/api/videos"),
        ("DELETE", "/api/auth/login"),
        ("POST", "/health"),
        ("PATCH", "/api/videos/0193a5d0-ac96-774b-bcce-b302099a8057"),
        ("BREW", "/health"),
    ] {
        let answer = app.ask(method, path).await;
        assert_eq!(answer.problem(), (405, "method_not_allowed".to_owned()), "{method} {path}");
        assert!(!answer.header("allow").is_empty(), "{answer:?}");
    }
}
