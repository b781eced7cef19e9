use reelfleet_api::openapi_json;
use serde_json::Value;

use crate::app::{Account, App};

/// Every path and method of the document, with what is to be put for `{id}` and `{name}`.
fn calls() -> Vec<(String, String, Value)> {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            calls.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    assert!(calls.len() > 20, "{}", calls.len());
    calls
}

fn is_of_a_job(path: &str) -> bool {
    path.contains("/jobs/") || path.contains("/dead/")
}

async fn state_of(app: &App, owner: &Account, videos: &[Value]) -> Vec<String> {
    let mut states = Vec::new();
    for video in videos {
        let path = format!("/api/videos/{}", video["id"].as_str().unwrap());
        states.push(app.get(&path).signed(owner).await.text());
        let path = format!("/api/jobs/{}", video["job"].as_str().unwrap());
        let job = app.get(&path).signed(owner).await.json();
        states.push(format!("{} {} {}", job["state"], job["cancel_requested"], job["attempts"]));
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_shows_or_changes_what_is_somebody_elses() {
    let app = App::start().await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let (waiting, done, dead) =
        (app.upload(&ann).await, app.upload(&ann).await, app.upload(&ann).await);
    app.finish(&done, &[("web.mp4", "video/mp4", b"secret")]).await;
    let claimed = app.claim(&dead).await;
    let reason = reelfleet_job::Reason::new("no_video", "There is no picture in it.");
    app.db.close_dead(claimed.id, claimed.epoch, &reason).await.unwrap();
    let videos = [waiting, done, dead];
    let before = state_of(&app, &ann, &videos).await;

    let mut tried = 0;
    for (method, template, operation) in calls() {
        if !template.contains("{id}") {
            continue;
        }
        for video in &videos {
            let id = if is_of_a_job(&template) { &video["job"] } else { &video["id"] };
            let path = template.replace("{id}", id.as_str().unwrap()).replace("{name}", "web.mp4");
            let foreign = app.ask(&method, &path).signed(&bob).await;
            let (status, code) = foreign.problem();
            if template.starts_with("/api/admin/") {
                assert_eq!((status, &*code), (403, "operators_only"), "{method} {path}");
            } else {
                assert_eq!((status, &*code), (404, "not_found"), "{method} {path}");
                // Word for word what a thing that is nowhere gets.
                let nowhere = template
                    .replace("{id}", "0193a5d0-ac96-774b-bcce-b302099a8057")
                    .replace("{name}", "web.mp4");
                let missing = app.ask(&method, &nowhere).signed(&bob).await;
                assert_eq!((foreign.status, foreign.body), (missing.status, missing.body));
            }
            assert!(operation["security"].is_array(), "{method} {template}");
            let nobody = app.ask(&method, &path).await;
            assert_eq!(nobody.problem().0, 401, "{method} {path}");
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
    assert_eq!(state_of(&app, &ann, &videos).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_with_a_session_refuses_whoever_has_none() {
    let app = App::start().await;
    let bob = app.user("bob").await;
    for (method, template, operation) in calls() {
        let path =
            template.replace("{id}", "0193a5d0-ac96-774b-bcce-b302099a8057").replace("{name}", "x");
        if operation["security"].is_array() {
            let nobody = app.ask(&method, &path).await;
            assert_eq!(nobody.problem(), (401, "not_signed_in".to_owned()), "{method} {path}");
        }
        if template.starts_with("/api/admin/") {
            assert!(operation["security"].is_array(), "{method} {path}");
            let user = app.ask(&method, &path).signed(&bob).await;
            assert_eq!(user.problem(), (403, "operators_only".to_owned()), "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_cursors_show_own_videos_only() {
    let app = App::start().await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let mut own = Vec::new();
    for _ in 0..3 {
        app.upload(&bob).await;
        own.push(app.upload(&ann).await["id"].clone());
    }
    own.reverse();
    let listed: Vec<_> = app.videos(&ann).await.iter().map(|video| video["id"].clone()).collect();
    assert_eq!(listed, own);
    let newest = app.videos(&bob).await[0]["id"].as_str().unwrap().to_owned();
    let page = app.get(&format!("/api/videos?cursor={newest}")).signed(&ann).await.json();
    assert!(page["videos"].as_array().unwrap().iter().all(|video| own.contains(&video["id"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_jobs_but_not_the_videos_of_others() {
    let app = App::start().await;
    let (ann, operator) = (app.user("ann").await, app.operator().await);
    let video = app.upload(&ann).await;
    let path = format!("/api/videos/{}", video["id"].as_str().unwrap());
    assert_eq!(app.get(&path).signed(&operator).await.status, 404);
    let path = format!("/api/jobs/{}", video["job"].as_str().unwrap());
    assert_eq!(app.get(&path).signed(&operator).await.status, 200);
}
