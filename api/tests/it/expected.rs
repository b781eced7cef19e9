//! When a video should be ready, and that everybody is told the same numbers.

use std::time::Duration;

use reelfleet_runtime::Timestamp;
use serde_json::Value;

use crate::app::{Account, App, eventually};

async fn expected(app: &App, account: &Account, video: &Value) -> Value {
    let path = format!("/api/videos/{}", video["id"].as_str().unwrap());
    let answer = app.get(&path).signed(account).await.json();
    assert!(answer.as_object().unwrap().contains_key("expected_at"), "{answer}");
    answer["expected_at"].clone()
}

/// As programs compare them: RFC 3339 in UTC sorts as text.
fn now_and(later: Duration) -> String {
    let now = reelfleet_runtime::Clock::system().now();
    Timestamp::to_string(&now.plus(later))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_says_when_it_should_be_ready_once_anything_tells_and_while_it_is_not_over() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (first, second) = (app.upload(&ann).await, app.upload(&ann).await);
    assert_eq!(first["expected_at"], Value::Null, "no worker, nothing learnt");
    assert_eq!(expected(&app, &ann, &second).await, Value::Null);

    // It leaves a worker there, and what it took is known.
    app.finish(&first, &[]).await;
    eventually("an estimate", async || expected(&app, &ann, &second).await != Value::Null).await;
    assert_eq!(expected(&app, &ann, &first).await, Value::Null, "it is ready");
    let at = expected(&app, &ann, &second).await;
    let at = at.as_str().unwrap();
    let hour = Duration::from_secs(3600);
    assert!(at.len() == 24 && *at < *now_and(hour), "{at}");
    let listed = app.videos(&ann).await;
    assert_eq!(listed[0]["id"], second["id"]);
    assert!(listed[0]["expected_at"].is_string() && listed[1]["expected_at"].is_null());

    app.claim(&second).await;
    assert!(expected(&app, &ann, &second).await.is_string(), "it runs");
    let path = format!("/api/videos/{}/cancel", second["id"].as_str().unwrap());
    assert_eq!(app.post(&path).signed(&ann).await.status, 202);
    assert_eq!(expected(&app, &ann, &second).await, Value::Null, "it is about to be stopped");
}

/// C9: what the metric says, the console and Prometheus say.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_and_the_console_are_told_the_same_numbers() {
    let app = App::start().await;
    let (ann, operator) = (app.user("ann").await, app.operator().await);
    let videos = [app.upload(&ann).await, app.upload(&ann).await, app.upload(&ann).await];
    app.finish(&videos[0], &[]).await;
    let queue = app.get("/api/admin/queue").signed(&operator).await.json();
    // Of the fleet it says what was seen in the last seconds.
    eventually("the uploads", async || {
        app.get("/metrics").await.text().contains("reelfleet_backlog 2\n")
    })
    .await;
    let page = app.get("/metrics").await.text();
    let gauge = |name: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in {page}")).parse().unwrap()
    };
    for (name, shown) in [
        ("reelfleet_jobs{state=\"queued\"}", &queue["backlog"]["waiting"]),
        ("reelfleet_jobs{state=\"running\"}", &queue["backlog"]["running"]),
        ("reelfleet_jobs{state=\"dead\"}", &queue["backlog"]["dead"]),
        ("reelfleet_backlog", &queue["backlog"]["total"]),
        ("reelfleet_backlog_per_worker", &queue["backlog_per_worker"]),
        ("reelfleet_backlog_seconds_per_worker", &queue["backlog_seconds_per_worker"]),
        ("reelfleet_workers{state=\"active\"}", &queue["workers"]["active"]),
        ("reelfleet_worker_slots", &queue["slots"]),
    ] {
        assert_eq!(shown.as_f64(), Some(gauge(name)), "{name}");
    }
    assert_eq!(queue["expected_drain_s"], queue["backlog_seconds_per_worker"]);
    assert!(gauge("reelfleet_backlog_per_worker") > 1.9);
}
