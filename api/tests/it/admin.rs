use reelfleet_job::Reason;
use serde_json::{Value, json};

use crate::app::{Account, App};

async fn dead(app: &App, owner: &Account) -> Value {
    let video = app.upload(owner).await;
    let claimed = app.claim(&video).await;
    let reason = Reason::new("no_video", "There is no picture in it.");
    assert!(app.db.close_dead(claimed.id, claimed.epoch, &reason).await.unwrap());
    video["job"].clone()
}

fn path(of: &str, job: &Value, act: &str) -> String {
    format!("/api/admin/{of}/{}{act}", job.as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_job_explains_itself() {
    let app = App::start().await;
    let (ann, operator) = (app.user("ann").await, app.operator().await);
    let videos = [app.upload(&ann).await, app.upload(&ann).await];
    for path in [
        path("jobs", &videos[1]["job"], ""),
        format!("/api/jobs/{}", videos[1]["job"].as_str().unwrap()),
    ] {
        let job = app.get(&path).signed(&operator).await.json();
        assert_eq!((&job["state"], &job["kind"]), (&json!("queued"), &json!("transcode")));
        assert_eq!(job["video"], videos[1]["id"]);
        assert_eq!((&job["ahead"], &job["attempts_history"]), (&json!(1), &json!([])));
        assert_eq!(job["explanation"], "Waits behind 1 job; no worker is there yet.");
        assert_eq!(job["expected_end_at"], Value::Null);
    }
    app.claim(&videos[0]).await;
    let running = app.get(&path("jobs", &videos[0]["job"], "")).signed(&operator).await.json();
    assert_eq!((&running["state"], &running["ahead"]), (&json!("running"), &Value::Null));
    assert_eq!(running["attempts_history"][0]["epoch"], 1);
    assert!(running["explanation"].as_str().unwrap().starts_with("Runs"), "{running}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_jobs_join_without_gap_or_overlap() {
    let app = App::start().await;
    let (ann, operator) = (app.user("ann").await, app.operator().await);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(app.upload(&ann).await["job"].clone());
    }
    made.reverse();
    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let path = format!("/api/admin/jobs?limit=2&state=queued{next}");
        let page = app.get(&path).signed(&operator).await.json();
        seen.extend(page["jobs"].as_array().unwrap().iter().map(|job| job["id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(seen, made);
    for query in ["limit=0", "limit=101", "limit=x", "state=odd", "cursor=odd"] {
        let answer = app.get(&format!("/api/admin/jobs?{query}")).signed(&operator).await;
        assert_eq!(answer.problem(), (400, "bad_query".to_owned()), "{query}");
    }
    for query in ["limit=0", "limit=-1", "status=odd", "cursor=odd"] {
        let answer = app.get(&format!("/api/videos?{query}")).signed(&ann).await;
        assert_eq!(answer.problem(), (400, "bad_query".to_owned()), "{query}");
    }
}

/// B6: pressed twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_job_is_redriven_once() {
    let app = App::start().await;
    let (ann, operator) = (app.user("ann").await, app.operator().await);
    let job = dead(&app, &ann).await;
    let listed = app.get("/api/admin/dead").signed(&operator).await.json();
    assert_eq!(listed["jobs"][0]["id"], job);
    let shown = app.get(&path("dead", &job, "")).signed(&operator).await.json();
    assert_eq!(shown["explanation"], "Gave up after 1 try: There is no picture in it.");
    assert_eq!(shown["attempts_history"][0]["outcome"], "dead");
    let redriven = app.post(&path("dead", &job, "/redrive")).signed(&operator).await;
    assert_eq!((redriven.status, &redriven.json()["attempts"]), (200, &json!(0)));
    for act in ["/redrive", "/discard"] {
        let again = app.post(&path("dead", &job, act)).signed(&operator).await;
        assert_eq!(again.problem(), (409, "not_dead".to_owned()));
    }
    assert_eq!(app.get(&path("dead", &job, "")).signed(&operator).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_job_is_cancelled_for_good() {
    let app = App::start().await;
    let (ann, operator) = (app.user("ann").await, app.operator().await);
    let job = dead(&app, &ann).await;
    let discarded = app.post(&path("dead", &job, "/discard")).signed(&operator).await;
    assert_eq!((discarded.status, &discarded.json()["state"]), (200, &json!("cancelled")));
    assert_eq!(app.videos(&ann).await[0]["status"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_job_says_by_whom_and_keeps_its_error_as_history_only() {
    let app = App::start().await;
    let (ann, operator) = (app.user("ann").await, app.operator().await);
    let job = dead(&app, &ann).await;
    let shown = app.get(&path("dead", &job, "")).signed(&operator).await.json();
    assert_eq!((&shown["error"]["code"], &shown["discarded"]), (&json!("no_video"), &Value::Null));
    app.post(&path("dead", &job, "/discard")).signed(&operator).await;
    let listed = app.get("/api/admin/jobs").signed(&operator).await.json()["jobs"][0].clone();
    let shown = app.get(&path("jobs", &job, "")).signed(&operator).await.json();
    for job in [&listed, &shown] {
        assert_eq!(job["error"], Value::Null, "{job}");
        let discarded = &job["discarded"];
        assert_eq!(discarded["by"], operator.user.id.to_string());
        assert_eq!(discarded["error"]["code"], "no_video");
        assert!(discarded["at"].as_str().unwrap().ends_with('Z'), "{job}");
    }
    let said = shown["explanation"].as_str().unwrap();
    assert!(said.starts_with("Was discarded by an operator at "), "{said}");
    assert!(said.ends_with("it had given up after 1 try: There is no picture in it."), "{said}");
    assert_eq!(shown["attempts_history"][0]["error"]["code"], "no_video");
    assert_eq!(app.videos(&ann).await[0]["error"], Value::Null);
    let page = app.get(&format!("/operate/jobs/{}", job.as_str().unwrap())).cookie(&operator).await;
    let page = page.text();
    assert!(!page.contains("Last error") && page.contains("Had given up with"), "{page}");
    assert!(page.contains(&operator.user.id.to_string()), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_jobs_are_redriven_by_name_or_all() {
    let app = App::start().await;
    let (ann, operator) = (app.user("ann").await, app.operator().await);
    let jobs = [dead(&app, &ann).await, dead(&app, &ann).await, dead(&app, &ann).await];
    let post = |body: Value| app.post("/api/admin/dead/redrive").signed(&operator).json(&body);
    let some = post(json!({"ids": [jobs[0], jobs[0], "odd"]})).await.json();
    assert_eq!(some, json!({"redriven": 1, "skipped": [jobs[0], "odd"]}));
    assert_eq!(post(json!({"all": true})).await.json(), json!({"redriven": 2, "skipped": []}));
    assert_eq!(post(json!({"all": true})).await.json(), json!({"redriven": 0, "skipped": []}));
    for body in [json!({}), json!({"all": true, "ids": ["x"]}), json!({"all": false})] {
        assert_eq!(post(body.clone()).await.problem(), (400, "bad_json".to_owned()), "{body}");
    }
}

/// B23: while it waits.
#[tokio::test(flavor = "multi_thread")]
async fn cancelling_stops_what_waits_at_once_and_what_runs_soon() {
    let app = App::start().await;
    let (ann, operator) = (app.user("ann").await, app.operator().await);
    let video = app.upload(&ann).await;
    let cancel = format!("/api/videos/{}/cancel", video["id"].as_str().unwrap());
    let answer = app.post(&cancel).signed(&ann).await;
    assert_eq!((answer.status, &answer.json()["status"]), (202, &json!("cancelled")));
    assert_eq!(
        app.post(&cancel).signed(&ann).await.problem(),
        (409, "already_finished".to_owned())
    );
    let job = path("jobs", &video["job"], "/cancel");
    assert_eq!(
        app.post(&job).signed(&operator).await.problem(),
        (409, "already_finished".to_owned())
    );

    let video = app.upload(&ann).await;
    app.claim(&video).await;
    let answer = app.post(&path("jobs", &video["job"], "/cancel")).signed(&operator).await;
    assert_eq!((answer.status, &answer.json()["cancel_requested"]), (202, &json!(true)));
    assert_eq!(app.videos(&ann).await[0]["cancelling"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_and_its_workers_are_counted() {
    let app = App::start().await;
    let (ann, operator) = (app.user("ann").await, app.operator().await);
    let empty = app.get("/api/admin/queue").signed(&operator).await.json();
    assert_eq!((&empty["slots"], &empty["backlog_per_worker"]), (&json!(0), &json!(0.0)));
    assert_eq!(empty["backlog"]["mean_run_s"], Value::Null);
    let first = app.upload(&ann).await;
    app.upload(&ann).await;
    app.claim(&first).await;
    dead(&app, &ann).await;
    let queue = app.get("/api/admin/queue").signed(&operator).await.json();
    let backlog = &queue["backlog"];
    for (name, count) in [("waiting", 1), ("running", 1), ("dead", 1), ("total", 2)] {
        assert_eq!(backlog[name], count, "{name}: {queue}");
    }
    assert_eq!(queue["workers"], json!({"active": 2, "draining": 0}));
    assert_eq!((&queue["slots"], &queue["backlog_per_worker"]), (&json!(4), &json!(1.0)));
    assert!(
        queue["lanes"].as_array().unwrap().iter().any(|lane| lane["lane"] == "transcode-normal")
    );
    let workers = app.get("/api/admin/workers").signed(&operator).await.json();
    assert_eq!(workers["workers"].as_array().unwrap().len(), 2);
    assert_eq!(workers["workers"][0]["host"], "here");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_send_jobs_that_do_nothing_and_others_do_not() {
    let app = App::start().await;
    let (ann, operator) = (app.user("ann").await, app.operator().await);
    let ask = |count: u32, priority: &str| {
        app.post("/api/admin/noops").json(&json!({"count": count, "priority": priority}))
    };
    assert_eq!(ask(1, "low").signed(&ann).await.status, 403);
    for (count, priority, code) in
        [(0, "low", "bad_json"), (1001, "low", "bad_json"), (1, "urgent", "unknown_priority")]
    {
        let refused = ask(count, priority).signed(&operator).await;
        assert_eq!(refused.json()["code"], code, "{count} {priority}");
    }
    let made = ask(3, "low").signed(&operator).await;
    assert_eq!(made.status, 202);
    let jobs = made.json()["jobs"].as_array().unwrap().clone();
    assert_eq!(jobs.len(), 3);
    let job = app.get(&path("jobs", &jobs[2], "")).signed(&operator).await.json();
    let shown = (&job["kind"], &job["priority"], &job["state"], &job["video"]);
    assert_eq!(shown, (&json!("noop"), &json!("low"), &json!("queued"), &Value::Null));
    let queue = app.get("/api/admin/queue").signed(&operator).await.json();
    assert_eq!(queue["backlog"]["total"], 0, "{queue}");
}
