use crate::app::{Account, App};

const VIDEO: &[u8] = b"0123456789";

async fn ready(app: &App, owner: &Account) -> String {
    let video = app.upload(owner).await;
    app.finish(
        &video,
        &[
            ("web.mp4", "video/mp4", VIDEO),
            ("hls/v0/seg-001.m4s", "video/iso.segment", b"segment"),
            ("odd.html", "text/html", b"<script>"),
        ],
    )
    .await;
    format!("/api/videos/{}", video["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_served_whole_with_its_own_media_type() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let video = ready(&app, &ann).await;
    let shown = app.get(&video).signed(&ann).await.json();
    assert_eq!((&shown["status"], &shown["width"]), (&"ready".into(), &1280.into()));
    let files = shown["files"].as_array().unwrap();
    let listed = files.iter().find(|file| file["name"] == "web.mp4").unwrap();
    assert_eq!(listed["bytes"], VIDEO.len());
    assert_eq!(listed["url"], format!("{video}/files/web.mp4"));

    let answer = app.get(&format!("{video}/files/web.mp4")).signed(&ann).await;
    assert_eq!((answer.status, &answer.body[..]), (200, VIDEO));
    assert_eq!(answer.header("content-type"), "video/mp4");
    assert_eq!(answer.header("content-disposition"), "inline");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert!(answer.header("content-security-policy").contains("default-src 'none'"));
    let nested = app.get(&format!("{video}/files/hls/v0/seg-001.m4s")).signed(&ann).await;
    assert_eq!((nested.status, &nested.body[..]), (200, &b"segment"[..]));
    // A type that is none of ours is never run by a browser.
    let odd = app.get(&format!("{video}/files/odd.html")).signed(&ann).await;
    assert_eq!(odd.header("content-type"), "application/octet-stream");
    assert_eq!(odd.header("content-disposition"), "attachment");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_served_alone() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let file = format!("{}/files/web.mp4", ready(&app, &ann).await);
    for (range, status, body, content_range) in [
        ("bytes=0-3", 206, &b"0123"[..], "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=5-5000", 206, b"56789", "bytes 5-9/10"),
        ("bytes=0-1,4-5", 200, VIDEO, ""),
        ("lines=1-2", 200, VIDEO, ""),
    ] {
        let answer = app.get(&file).signed(&ann).header("range", range).await;
        assert_eq!((answer.status, &answer.body[..]), (status, body), "{range}");
        assert_eq!(answer.header("content-range"), content_range, "{range}");
        assert_eq!(answer.header("content-length"), body.len().to_string(), "{range}");
    }
    let outside = app.get(&file).signed(&ann).header("range", "bytes=10-").await;
    assert_eq!(outside.problem(), (416, "bad_range".to_owned()));
    assert_eq!(outside.header("content-range"), "bytes */10");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_file_is_not_sent_again() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let file = format!("{}/files/web.mp4", ready(&app, &ann).await);
    let first = app.get(&file).signed(&ann).await;
    let tag = first.header("etag").to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let again = app.get(&file).signed(&ann).header("if-none-match", &known).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
        assert_eq!(again.header("etag"), tag);
    }
    let other = app.get(&file).signed(&ann).header("if-none-match", "\"x\"").await;
    assert_eq!(other.status, 200);
    let ask = || app.get(&file).signed(&ann).header("range", "bytes=0-3");
    assert_eq!(ask().header("if-range", &tag).await.status, 206);
    assert_eq!(ask().header("if-range", "\"x\"").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_file_says_what_its_body_would_be() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let file = format!("{}/files/web.mp4", ready(&app, &ann).await);
    let head = app.ask("HEAD", &file).signed(&ann).await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, "10"));
    assert!(!head.header("etag").is_empty());
}

/// E4: traversal, through the API.
#[tokio::test(flavor = "multi_thread")]
async fn no_name_leads_out_of_a_video() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let video = ready(&app, &ann).await;
    for name in [
        "none.mp4",
        "../web.mp4",
        "..%2f..%2f..%2freelfleet.db",
        "%2e%2e/%2e%2e/reelfleet.db",
        "/etc/passwd",
        "web.mp4%00",
        "hls/",
        "hls/v0/../v0/seg-001.m4s",
    ] {
        let answer = app.get(&format!("{video}/files/{name}")).signed(&ann).await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_deleted_video_are_gone_at_once() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let video = ready(&app, &ann).await;
    assert_eq!(app.ask("DELETE", &video).signed(&ann).await.status, 204);
    assert_eq!(app.get(&format!("{video}/files/web.mp4")).signed(&ann).await.status, 404);
    assert_eq!(app.get(&video).signed(&ann).await.status, 404);
    assert_eq!(app.ask("DELETE", &video).signed(&ann).await.status, 404);
}
