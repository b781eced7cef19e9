use std::{fs, path::Path, time::Duration};

use serde_json::json;

use super::*;
use crate::client::{
    fake::{Fake, Reply, Request},
    screen::tests::{Printed, screen},
};

const QUICK: Patience = Patience {
    first: Duration::from_millis(1),
    longest: Duration::from_millis(5),
    tries: 4,
    in_all: Duration::from_secs(2),
};

fn video(status: &str, progress: f64) -> String {
    json!({
        "id": "v1", "title": "Cat", "status": status, "progress": progress, "job": "j1",
        "error": (status == "failed").then(|| json!({"code": "no_video", "message": "No picture."})),
        "files": if status == "ready" {
            json!([{"name": "web.mp4", "kind": "mp4", "bytes": 2048, "url": "/api/videos/v1/files/web.mp4"}])
        } else { json!([]) },
    })
    .to_string()
}

struct Ran {
    result: Result<()>,
    out: String,
    /// Messages and progress together.
    err: String,
}

fn run_with(fake: &Fake, files: &[&Path], change: impl FnOnce(&mut SubmitArgs)) -> Ran {
    let (mut screen, out, err) = screen();
    let lines = Printed::default();
    let progress = Progress::to(false, Box::new(lines.clone()));
    let mut args = SubmitArgs {
        files: files.iter().map(|&file| file.to_owned()).collect(),
        profile: None,
        priority: None,
        title: None,
        wait: false,
        json: false,
        connect: ConnectArgs { url: Some(fake.url.clone()), data: None },
    };
    change(&mut args);
    let vars = Vars::of([("REELFLEET_TOKEN", "secret-token")]);
    let accepted = Accepted::default();
    let result = submit(&args, &vars, &mut screen, &progress, &accepted, QUICK);
    Ran { result, out: out.text(), err: err.text() + &lines.text() }
}

fn file(folder: &tempfile::TempDir, name: &str, bytes: usize) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, vec![7; bytes]).unwrap();
    path
}

fn is_upload(request: &Request) -> bool {
    request.method == "POST" && request.path.starts_with("/api/videos?")
}

#[test]
fn a_file_is_sent_whole_with_its_length_and_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "My cat & dog.mov", 300_000);
    let fake = Fake::start(|_| Reply::json(202, video("queued", 0.0)));
    let ran = run_with(&fake, &[&path], |args| {
        args.profile = Some("web".to_owned());
        args.priority = Some(Priority::High);
    });
    ran.result.unwrap();
    assert_eq!(ran.out, "Cat: queued (v1)\n");
    let requests = fake.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.path, "/api/videos?title=My%20cat%20%26%20dog&profile=web&priority=high");
    assert_eq!(request.body, vec![7; 300_000]);
    assert_eq!(request.header("content-length"), Some("300000"));
    assert_eq!(request.header("content-type"), Some("application/octet-stream"));
    assert_eq!(request.header("authorization"), Some("Bearer secret-token"));
    assert_eq!(request.header("idempotency-key").unwrap().len(), 32);
    assert!(!ran.err.contains("secret") && !ran.err.contains('\x1b'), "{}", ran.err);
}

#[test]
fn what_passes_is_tried_again_under_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "cat.mp4", 1000);
    let fake = Fake::start(|request| match request.nth {
        0 => Reply::Break,
        1 => Reply::problem(503, "busy", "Too much at once.", None),
        2 => Reply::problem(429, "too_many_uploads", "Wait a little.", Some(0)),
        _ => Reply::json(202, video("queued", 0.0)),
    });
    let ran = run_with(&fake, &[&path], |_| {});
    ran.result.unwrap();
    let requests = fake.requests();
    assert_eq!(requests.len(), 4);
    let keys: Vec<_> = requests.iter().map(|r| r.header("idempotency-key").unwrap()).collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(requests[3].body.len(), 1000);
    assert!(ran.err.contains("Wait a little. (too_many_uploads) (next try in 0 s)"), "{}", ran.err);
}

#[test]
fn a_wait_that_is_too_long_is_left_to_the_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "cat.mp4", 10);
    let fake = Fake::start(|_| Reply::problem(429, "quota_exceeded", "Too much.", Some(3600)));
    let ran = run_with(&fake, &[&path, &path], |_| {});
    assert!(matches!(ran.result, Err(Failure::Told)));
    assert_eq!(fake.requests().len(), 1);
    assert!(ran.err.contains("cat.mp4: not accepted: Too much. (quota_exceeded)"), "{}", ran.err);
}

#[test]
fn a_refused_file_is_not_sent_and_does_not_keep_the_others_back() {
    let folder = tempfile::tempdir().unwrap();
    let (text, cat) = (file(&folder, "notes.txt", 90_000), file(&folder, "cat.mp4", 10));
    let fake = Fake::start(|request| match request.path.contains("notes") {
        true => Reply::problem(415, "unsupported_media_type", "This is not a video.", None),
        false => Reply::json(202, video("queued", 0.0)),
    });
    let ran = run_with(&fake, &[&text, &cat], |args| args.json = true);
    assert!(matches!(ran.result, Err(Failure::Told)));
    assert!(ran.err.contains("This is not a video. (unsupported_media_type)"), "{}", ran.err);
    assert!(ran.err.contains("1 of 2 files were accepted"), "{}", ran.err);
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed[0]["id"], "v1");
    assert_eq!(fake.requests()[0].body.len(), 0);
}

#[test]
fn a_refused_token_ends_it_at_once_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "cat.mp4", 10);
    let fake = Fake::start(|_| Reply::problem(401, "token_expired", "It has expired.", None));
    let ran = run_with(&fake, &[&path, &path], |_| {});
    assert!(matches!(ran.result, Err(Failure::Told)));
    assert_eq!(fake.requests().len(), 1);
    assert!(
        ran.err
            .contains("the token was refused: It has expired. (token_expired) Set REELFLEET_TOKEN"),
        "{}",
        ran.err
    );
}

#[test]
fn files_that_cannot_be_sent_are_all_named_and_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (good, empty) = (file(&folder, "cat.mp4", 10), file(&folder, "empty.mp4", 0));
    let fake = Fake::start(|_| Reply::Break);
    let files =
        [good.as_path(), &empty, folder.path(), Path::new("/nowhere.mp4"), Path::new("/dev/null")];
    let ran = run_with(&fake, &files, |_| {});
    assert!(matches!(ran.result, Err(Failure::Told)));
    for what in
        ["empty.mp4: is empty", "is a folder", "/nowhere.mp4: no such file", "not a regular"]
    {
        assert!(ran.err.contains(what), "{what}: {}", ran.err);
    }
    assert!(fake.requests().is_empty());
    let ran = run_with(&fake, &[&good, &good], |args| args.title = Some("x".to_owned()));
    assert!(matches!(ran.result, Err(Failure::Usage(_))));
}

#[test]
fn waiting_follows_the_stream_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "cat.mp4", 10);
    let fake = Fake::start(|request| match request.path.as_str() {
        _ if is_upload(request) => Reply::json(202, video("queued", 0.0)),
        "/api/videos/v1/events" => Reply::events(format!(
            ": hello\n\nevent: video\ndata: {}\n\nevent: video\ndata: {}\n\nevent: end\ndata:\n\n",
            video("processing", 0.55),
            video("ready", 1.0)
        )),
        _ => Reply::json(200, video("ready", 1.0)),
    });
    let ran = run_with(&fake, &[&path], |args| args.wait = true);
    ran.result.unwrap();
    assert!(ran.err.contains("Cat: processing 55 %\nCat: ready\n"), "{}", ran.err);
    assert!(ran.out.starts_with("Cat: ready (v1)\n  web.mp4"), "{}", ran.out);
    assert!(ran.out.contains(&format!("{}/api/videos/v1/files/web.mp4", fake.url)), "{}", ran.out);
}

#[test]
fn waiting_goes_on_by_asking_when_the_stream_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "cat.mp4", 10);
    let fake = Fake::start(|request| match request.path.as_str() {
        _ if is_upload(request) => Reply::json(202, video("queued", 0.0)),
        "/api/videos/v1/events" if request.nth < 3 => {
            Reply::events(format!("event: video\ndata: {}\n\nevent: vi", video("processing", 0.1)))
        }
        "/api/videos/v1/events" => Reply::Break,
        _ if request.nth < 4 => Reply::Break,
        _ => Reply::json(200, video("failed", 0.1)),
    });
    let ran = run_with(&fake, &[&path], |args| {
        args.wait = true;
        args.json = true;
    });
    assert!(matches!(ran.result, Err(Failure::Told)));
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed[0]["status"], "failed");
    assert!(
        ran.err.contains("Cat: processing 10 %") && ran.err.contains("Cat: failed"),
        "{}",
        ran.err
    );
}

#[test]
fn a_failed_video_is_told_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "cat.mp4", 10);
    let fake = Fake::start(|request| match is_upload(request) {
        true => Reply::json(202, video("queued", 0.0)),
        false => Reply::json(200, video("failed", 0.0)),
    });
    let ran = run_with(&fake, &[&path], |args| args.wait = true);
    assert!(matches!(ran.result, Err(Failure::Told)));
    assert_eq!(ran.out, "Cat: failed (v1)\n  No picture. (no_video)\n");
}

#[test]
fn a_fleet_that_stays_away_is_told_from_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "cat.mp4", 10);
    let fake = Fake::start(|_| Reply::Break);
    let ran = run_with(&fake, &[&path, &path], |_| {});
    assert!(matches!(ran.result, Err(Failure::ToldUnavailable)));
    assert_eq!(fake.requests().len(), 4);
}

#[test]
fn a_video_that_is_deleted_meanwhile_ends_the_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "cat.mp4", 10);
    let fake = Fake::start(|request| match is_upload(request) {
        true => Reply::json(202, video("queued", 0.0)),
        false => Reply::problem(404, "not_found", "There is no such video.", None),
    });
    let ran = run_with(&fake, &[&path], |args| args.wait = true);
    assert!(matches!(ran.result, Err(Failure::Told)));
    assert!(
        ran.err.contains("Cat: not known how it ended: There is no such video."),
        "{}",
        ran.err
    );
}
