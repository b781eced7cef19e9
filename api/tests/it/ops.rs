use crate::app::{App, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_process_is_alive_and_ready() {
    let app = App::start().await;
    assert_eq!(app.get("/health").await.json()["status"], "alive");
    assert_eq!(app.get("/ready").await.json()["status"], "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_and_name_nobody() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let video = app.upload(&ann).await;
    app.get(&format!("/api/videos/{}", video["id"].as_str().unwrap())).signed(&ann).await;
    app.ask("BREW", "/nothing").await;
    // What it says of the fleet may be seconds old, and the upload has looked already.
    eventually("the upload", async || {
        app.get("/metrics").await.text().contains("reelfleet_backlog 1\n")
    })
    .await;
    let page = app.get("/metrics").await;
    assert!(page.header("content-type").starts_with("text/plain"));
    let text = page.text().replace("&#x2f;", "/");
    for line in [
        "reelfleet_http_requests_total{method=\"POST\",route=\"/api/videos\",status=\"202\"} 1",
        "reelfleet_http_requests_total{method=\"GET\",route=\"/api/videos/{id}\",status=\"200\"} 1",
        "reelfleet_http_requests_total{method=\"other\",route=\"unmatched\",status=\"404\"} 1",
        "reelfleet_http_request_seconds_bucket",
        "reelfleet_upload_bytes_total 6",
        "reelfleet_uploads_in_flight 0",
        "reelfleet_jobs{state=\"queued\"} 1",
        "reelfleet_jobs_failing 0",
        "reelfleet_backlog 1",
        "reelfleet_backlog_per_worker 1",
        "reelfleet_workers{state=\"active\"} 0",
        "reelfleet_oldest_waiting_seconds ",
        "reelfleet_disk_free_bytes ",
        "reelfleet_lane_messages{lane=\"transcode-normal\",state=\"ready\"} 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    for name in [
        video["id"].as_str().unwrap(),
        video["job"].as_str().unwrap(),
        &ann.user.id.to_string(),
        "example.org",
    ] {
        assert!(!text.contains(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_an_id_and_the_headers_that_keep_browsers_in_check() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    for path in ["/health", "/nothing", "/api/videos", "/api/openapi.json", "/docs", "/metrics"] {
        let answer = app.get(path).signed(&ann).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("script"),
            "{path}: {policy}"
        );
        assert_eq!(answer.header("x-request-id").len(), 36, "{path}");
        assert_eq!(answer.header("server"), "", "{path}");
    }
    let given = app.get("/health").header("x-request-id", "from-a-proxy.1").await;
    assert_eq!(given.header("x-request-id"), "from-a-proxy.1");
    let odd = app.get("/health").header("x-request-id", "a b").await;
    assert_ne!(odd.header("x-request-id"), "a b");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_itself() {
    let app = App::start().await;
    let document = app.get("/api/openapi.json").await;
    assert_eq!(document.text(), reelfleet_api::openapi_json());
    let paths = document.json()["paths"].as_object().unwrap().len();
    let page = app.get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let text = page.text().replace("&#x2f;", "/");
    assert!(text.contains("/api/videos/{id}/files/{name}") && text.contains("quota_exceeded"));
    assert!(
        text.matches("<summary><b>").count() >= paths,
        "{}",
        text.matches("<summary><b>").count()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_listed_for_whoever_is_signed_in() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let profiles = app.get("/api/profiles").signed(&ann).await.json();
    assert_eq!(profiles[0]["name"], "web");
    assert_eq!(profiles[1]["description"], "The hls profile.");
}
