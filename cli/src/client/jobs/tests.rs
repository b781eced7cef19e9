use super::*;
use crate::client::{
    dead::{self, DeadCommand, DiscardArgs, RedriveArgs},
    fake::{Fake, Reply},
    screen::tests::screen,
};

fn connect(fake: &Fake) -> ConnectArgs {
    ConnectArgs { url: Some(fake.url.clone()), data: None }
}

fn vars() -> Vars {
    Vars::of([("REELFLEET_TOKEN", "token")])
}

fn asked(fake: &Fake) -> Vec<String> {
    fake.requests().iter().map(|r| format!("{} {}", r.method, r.path)).collect()
}

fn not_found() -> Reply {
    Reply::problem(404, "not_found", "There is no such thing.", None)
}

#[test]
fn jobs_are_read_page_by_page_up_to_the_limit() {
    let fake = Fake::start(|request| {
        let count = if request.path.contains("limit=100") { 100 } else { 30 };
        let jobs: Vec<_> =
            (0..count).map(|n| json!({"id": format!("j{n}"), "state": "dead"})).collect();
        Reply::json(200, json!({"jobs": jobs, "next_cursor": "a b"}).to_string())
    });
    let (mut screen, out, _) = screen();
    let args =
        JobsArgs { state: Some(State::Dead), limit: 130, json: true, connect: connect(&fake) };
    list(&args, &vars(), &mut screen).unwrap();
    let printed: Vec<Value> = serde_json::from_str(&out.text()).unwrap();
    assert_eq!(printed.len(), 130);
    assert_eq!(
        asked(&fake),
        [
            "GET /api/admin/jobs?state=dead&limit=100",
            "GET /api/admin/jobs?state=dead&limit=30&cursor=a%20b"
        ]
    );
}

#[test]
fn a_job_is_found_by_its_video_too() {
    let id = JobId::generate();
    let fake = Fake::start(move |request| match request.path.as_str() {
        "/api/jobs/j1" => {
            Reply::json(200, r#"{"id":"j1","state":"queued","explanation":"Waits behind 3 jobs."}"#)
        }
        path if path == format!("/api/videos/{id}") => {
            Reply::json(200, r#"{"id":"v1","job":"j1"}"#)
        }
        _ => not_found(),
    });
    let (mut shown, out, _) = screen();
    let args = |id| JobArgs { id, json: false, connect: connect(&fake) };
    explain(&args(id), &vars(), &mut shown).unwrap();
    assert!(out.text().starts_with("Job j1: queued\nWaits behind 3 jobs.\n"), "{}", out.text());
    let other = JobId::generate();
    let failure = explain(&args(other), &vars(), &mut screen().0).unwrap_err();
    assert_eq!(failure.to_string(), format!("no job or video of yours has the id {other}"));
}

#[test]
fn cancelling_takes_a_video_or_a_job_from_owner_and_operator() {
    let id = JobId::generate();
    // What each path answers, and what is asked until then.
    for (video, admin, expected) in [
        (true, true, "Cancelled.\n"),
        (false, true, "It is being cancelled.\n"),
        (false, false, "Cancelled.\n"),
    ] {
        let fake = Fake::start(move |request| match request.path.as_str() {
            path if path == format!("/api/videos/{id}/cancel") && video => {
                Reply::json(202, r#"{"status":"cancelled"}"#)
            }
            path if path == format!("/api/admin/jobs/{id}/cancel") && admin => {
                Reply::json(202, r#"{"state":"running"}"#)
            }
            path if path == format!("/api/admin/jobs/{id}/cancel") => {
                Reply::problem(403, "operators_only", "Only operators may.", None)
            }
            path if path == format!("/api/jobs/{id}") => {
                Reply::json(200, r#"{"id":"j","video":"v9"}"#)
            }
            "/api/videos/v9/cancel" => Reply::json(202, r#"{"status":"cancelled"}"#),
            _ => not_found(),
        });
        let (mut screen, out, _) = screen();
        cancel(&CancelArgs { id, connect: connect(&fake) }, &vars(), &mut screen).unwrap();
        assert_eq!(out.text(), expected);
    }
}

#[test]
fn what_is_finished_cannot_be_cancelled_and_that_is_said() {
    let fake = Fake::start(|_| Reply::problem(409, "already_finished", "It has ended.", None));
    let args = CancelArgs { id: JobId::generate(), connect: connect(&fake) };
    let failure = cancel(&args, &vars(), &mut screen().0).unwrap_err();
    assert_eq!(failure.sentence().unwrap(), "reelfleet: It has ended. (already_finished)");
}

#[test]
fn a_stranger_at_the_address_is_told_from_a_fleet() {
    for reply in [(200, "<html>"), (404, "<html>"), (302, "")] {
        let fake = Fake::start(move |_| Reply::json(reply.0, reply.1));
        let args = JobsArgs { state: None, limit: 1, json: false, connect: connect(&fake) };
        let message = list(&args, &vars(), &mut screen().0).unwrap_err().to_string();
        assert!(message.contains("but not as a fleet does"), "{message}");
    }
}

#[test]
fn redriving_names_what_was_not_dead() {
    let ids = vec![JobId::generate(), JobId::generate()];
    let skipped = ids[1];
    let fake = Fake::start(move |_| {
        Reply::json(200, json!({"redriven": 1, "skipped": [skipped]}).to_string())
    });
    let (mut screen, out, err) = screen();
    let args = RedriveArgs { ids: ids.clone(), all: false, connect: connect(&fake) };
    let result = dead::run(DeadCommand::Redrive(args), &vars(), &mut screen);
    assert!(matches!(result, Err(Failure::Told)));
    assert_eq!(out.text(), "1 job will try again.\n");
    assert_eq!(err.text(), format!("{skipped}: is not dead\n"));
    let sent: Value = serde_json::from_slice(&fake.requests()[0].body).unwrap();
    assert_eq!(sent, json!({"ids": ids}));
}

#[test]
fn nothing_is_discarded_without_a_yes() {
    let fake = Fake::start(|_| Reply::json(200, "{}"));
    let id = JobId::generate();
    let discard = |yes| {
        let args = DiscardArgs { ids: vec![id], yes, connect: connect(&fake) };
        dead::run(DeadCommand::Discard(args), &vars(), &mut screen().0)
    };
    assert!(matches!(discard(false), Err(Failure::Usage(_))));
    assert!(fake.requests().is_empty());
    discard(true).unwrap();
    assert_eq!(asked(&fake), [format!("POST /api/admin/dead/{id}/discard")]);
}
