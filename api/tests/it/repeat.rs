use std::collections::HashSet;

use futures_util::future::join_all;

use crate::{
    app::{Account, App},
    client::{Answer, Ask},
};

fn with_key(app: &App, account: &Account, key: &str, title: &str, body: &'static str) -> Ask {
    app.post(&format!("/api/videos?title={title}"))
        .signed(account)
        .header("content-type", "video/mp4")
        .header("idempotency-key", key)
        .body(body)
}

/// A3: fifty at once.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_uploads_at_once_under_one_key_are_one_video() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let asks = (0..50).map(|_| with_key(&app, &ann, "k1", "clip", "frames").into_future());
    let answers: Vec<Answer> = join_all(asks).await;
    let ids: HashSet<String> =
        answers.iter().map(|answer| answer.json()["id"].to_string()).collect();
    assert!(answers.iter().all(|answer| answer.status == 202), "{answers:?}");
    assert_eq!(ids.len(), 1);
    let bodies: HashSet<_> = answers.iter().map(|answer| answer.body.clone()).collect();
    assert_eq!(bodies.len(), 1);
    let places: HashSet<_> = answers.iter().map(|answer| answer.header("location")).collect();
    assert_eq!(places.len(), 1);
    assert_eq!(app.videos(&ann).await.len(), 1);
    // Those that came second stored their file under another name; it is gone.
    assert_eq!((app.temporary_files(), app.sources().await), (0, 1));
}

/// A3: another body.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_good_for_one_upload_only() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    assert_eq!(with_key(&app, &ann, "k", "clip", "frames").await.status, 202);
    for (title, body) in [("clip", "others"), ("other", "frames")] {
        let answer = with_key(&app, &ann, "k", title, body).await;
        assert_eq!(answer.problem(), (422, "idempotency_key_reused".to_owned()), "{title}");
    }
    let priority = app
        .post("/api/videos?title=clip&priority=high")
        .signed(&ann)
        .header("content-type", "video/mp4")
        .header("idempotency-key", "k")
        .body("frames")
        .await;
    assert_eq!(priority.problem().1, "idempotency_key_reused");
    assert_eq!((app.temporary_files(), app.sources().await), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_different_uploads_at_once_under_one_key_leave_one_source() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let bodies = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let asks = bodies.iter().map(|body| with_key(&app, &ann, "k", "clip", body).into_future());
    let answers: Vec<Answer> = join_all(asks).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 202).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 422).count(), 7);
    assert_eq!((app.temporary_files(), app.sources().await), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_its_user() {
    let app = App::start().await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let first = with_key(&app, &ann, "k", "clip", "frames").await.json();
    let second = with_key(&app, &bob, "k", "clip", "frames").await.json();
    assert_ne!(first["id"], second["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_wrong_form_is_refused() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    for key in ["", "a b", &"k".repeat(256)] {
        let answer = with_key(&app, &ann, key, "clip", "frames").await;
        assert_eq!(answer.problem(), (422, "bad_idempotency_key".to_owned()), "{key:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_upload_is_answered_even_when_the_quota_is_used_up() {
    let app = App::with(|config| config.quota_unfinished_videos = 1).await;
    let ann = app.user("ann").await;
    let first = with_key(&app, &ann, "k", "clip", "frames").await;
    assert_eq!(first.status, 202);
    let again = with_key(&app, &ann, "k", "clip", "frames").await;
    assert_eq!((again.status, again.json()), (202, first.json()));
    let other = with_key(&app, &ann, "k2", "clip", "frames").await;
    assert_eq!(other.problem(), (429, "quota_exceeded".to_owned()));
}
