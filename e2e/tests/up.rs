//! `reelfleet up` as its users meet it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use reelfleet_e2e::{
    Client, Fleet, clips, reelfleet,
    settled::{assert_settled, job},
    wait_for,
};
use rustix::process::Signal;

/// The first address that `up` printed, without the scheme's host part.
fn sign_in_path(log: &str) -> String {
    let start = log.find("/sign-in/").expect("a sign-in link is printed");
    log[start..].split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_first_start_prints_a_link_that_signs_in_once() {
    let fleet = Fleet::start(&[], &[]);
    let path = sign_in_path(&fleet.log());
    let stranger = fleet.client().with_token("");
    assert_eq!(stranger.call("GET", &path).unwrap().status, 303);
    assert_eq!(stranger.call("GET", &path).unwrap().status, 410);
    for name in ["fleet.json", "secrets.json", "reelfleet.db"] {
        let mode = fs::metadata(fleet.data().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(fleet.data()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn another_password_of_the_operator_leaves_the_commands_on_this_machine_signed_in() {
    let fleet = Fleet::start(&[], &[]);
    let password = serde_json::json!({"password": "correct horse"});
    let answer = fleet.client().json("PUT", "/api/auth/password", &password).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert_eq!(fleet.client().call("GET", "/api/auth/me").unwrap().status, 401);
    let fresh = fleet.client().with_token(answer.json["access_token"].as_str().unwrap());
    assert_eq!(fresh.call("GET", "/api/auth/me").unwrap().status, 200);
    wait_for("a token that holds in fleet.json", Duration::from_secs(30), || {
        fleet.run(&["queue"]).status.success().then_some(())
    });
}

#[test]
fn a_video_goes_in_and_comes_back_transcoded() {
    let fleet = Fleet::start(&[], &[]);
    let clip = clips::short(fleet.folder());
    let output = fleet.run(&["submit", clip.to_str().unwrap(), "--wait", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let videos: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(videos[0]["status"], "ready", "{videos}");
    let kinds: Vec<_> =
        videos[0]["files"].as_array().unwrap().iter().map(|file| file["kind"].clone()).collect();
    assert!(kinds.contains(&"video".into()) && kinds.contains(&"poster".into()), "{kinds:?}");
    let url = videos[0]["files"].as_array().unwrap().iter().find(|file| file["kind"] == "video");
    let url = url.unwrap()["url"].as_str().unwrap();
    let served = fleet.client().call("GET", url).unwrap();
    assert_eq!(served.status, 200);
    assert_eq!(&served.bytes[4..8], b"ftyp");
}

#[test]
fn one_folder_holds_one_fleet() {
    let fleet = Fleet::start(&[], &[]);
    let data = fleet.data().display().to_string();
    let second = reelfleet(&["up", "--listen", "127.0.0.1:0", "--data", &data], &[]);
    assert_eq!(second.status.code(), Some(69));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another `reelfleet up` runs in"), "{said}");
    assert_eq!(fleet.client().call("GET", "/ready").unwrap().status, 200);
}

#[test]
fn bad_configuration_names_every_wrong_variable_and_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let wrong = [
        ("QUEUE_TYPE", "pigeon"),
        ("LEASE_SECONDS", "soon"),
        ("WORKER_CONCURRENCY", "4000"),
        ("JWT_SECRET", "hunter2"),
    ];
    let output = reelfleet(&["up", "--listen", "127.0.0.1:0", "--data", &data], &wrong);
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for (name, value) in wrong {
        assert!(said.contains(name), "{name} is not named: {said}");
        assert!(!said.contains(&format!("{value} ")) && !said.contains("hunter2"), "{said}");
    }
    assert!(!folder.path().join("data/reelfleet.db").exists());
    for role in ["api", "worker"] {
        let output = reelfleet(&[role], &wrong);
        assert_eq!(output.status.code(), Some(64), "{role}");
    }
}

#[test]
fn limits_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    for limits in [["--min", "3", "--max", "1"], ["--min", "1", "--max", "4000"]] {
        let mut arguments = vec!["up", "--listen", "127.0.0.1:0", "--data", &data];
        arguments.extend(limits);
        let output = reelfleet(&arguments, &[]);
        assert_eq!(output.status.code(), Some(64), "{limits:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--max"), "{output:?}");
    }
}

#[test]
fn ctrl_c_finishes_what_can_be_done_within_the_bound() {
    let mut fleet = Fleet::start(&["--max", "1"], &[("DRAIN_SECONDS", "600")]);
    let video = fleet.submit(&clips::medium(fleet.folder()), "web");
    let _ = fleet.busy_worker();
    fleet.signal(Signal::INT);
    assert_eq!(fleet.wait_end(Duration::from_secs(60)), Some(0));
    let said = fleet.log();
    assert!(said.contains("Stopped: 1 job finished, 0 jobs handed back"), "{said}");
    fleet.assert_no_process_left();
    assert_eq!(fleet.leftovers(), Vec::<std::path::PathBuf>::new());

    fleet.up_again();
    assert_eq!(fleet.video(&video)["status"], "ready");
    let executions = assert_settled(&fleet, std::slice::from_ref(&video));
    assert_eq!(executions[&video], 1);
    assert_eq!(job(&fleet, &video)["attempts"], 1);
}

#[test]
fn ctrl_c_hands_back_what_cannot_be_done_within_the_bound_and_the_next_start_goes_on() {
    let mut fleet = Fleet::start(&["--max", "1"], &[("DRAIN_SECONDS", "2")]);
    let long = fleet.submit(&clips::long(fleet.folder()), "web");
    let short = fleet.submit(&clips::short(fleet.folder()), "web");
    let _ = fleet.wait_status(&long, &["processing"]);
    let _ = fleet.busy_worker();
    fleet.signal(Signal::INT);
    assert_eq!(fleet.wait_end(Duration::from_secs(60)), Some(0));
    let said = fleet.log();
    assert!(said.contains("1 job handed back"), "{said}");
    fleet.assert_no_process_left();
    assert_eq!(fleet.leftovers(), Vec::<std::path::PathBuf>::new());

    fleet.up_again();
    // It is the older one, so it goes on first.
    let _ = fleet.wait_status(&long, &["processing"]);
    let job = job(&fleet, &long);
    assert_eq!(job["attempts_history"][0]["outcome"], "handed_back", "{job}");
    assert!(job["attempts"].as_u64().unwrap() <= 1, "{job}");
    let cancelled = fleet.run(&["cancel", &long]);
    assert!(cancelled.status.success(), "{cancelled:?}");
    assert_eq!(fleet.wait_final(&long)["status"], "cancelled");
    assert_eq!(fleet.wait_final(&short)["status"], "ready");
}

#[test]
fn a_second_ctrl_c_stops_at_once() {
    let mut fleet = Fleet::start(&["--max", "1"], &[("DRAIN_SECONDS", "600")]);
    let _ = fleet.submit(&clips::long(fleet.folder()), "hls");
    let _ = fleet.busy_worker();
    fleet.signal(Signal::INT);
    wait_for("the first answer", Duration::from_secs(30), || {
        fleet.log().contains("Leaving:").then_some(())
    });
    fleet.signal(Signal::INT);
    fleet.wait_end(Duration::from_secs(30));
    fleet.assert_no_process_left();
    assert!(fleet.log().contains("1 job handed back"), "{}", fleet.log());
}

/// B23: while it runs.
#[test]
fn a_cancel_stops_the_work_and_leaves_nothing() {
    let fleet = Fleet::start(&["--max", "1"], &[]);
    let long = fleet.submit(&clips::long(fleet.folder()), "web");
    let _ = fleet.busy_worker();
    let answer = fleet.client().call("POST", &format!("/api/videos/{long}/cancel")).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.json);
    assert_eq!(fleet.wait_final(&long)["status"], "cancelled");
    wait_for("ffmpeg to be gone", Duration::from_secs(30), || {
        fleet.ffmpegs().is_empty().then_some(())
    });
    wait_for("the files to be gone", Duration::from_secs(30), || {
        (fleet.leftovers().is_empty() && fleet.output_folders().is_empty()).then_some(())
    });
    // What waits is cancelled without ever running; deleting takes the source along.
    assert_eq!(fleet.client().call("DELETE", &format!("/api/videos/{long}")).unwrap().status, 204);
    assert_eq!(fleet.client().call("GET", &format!("/api/videos/{long}")).unwrap().status, 404);
    wait_for("the source to be gone", Duration::from_secs(30), || {
        reelfleet_e2e::files_below(&fleet.data().join("blobs/sources")).is_empty().then_some(())
    });
}

#[test]
fn the_group_grows_with_the_backlog_and_shrinks_when_it_is_idle() {
    let fleet = Fleet::start(&["--min", "1", "--max", "2"], &[]);
    wait_for("one worker", Duration::from_secs(30), || (fleet.workers().len() == 1).then_some(()));
    let clip = clips::medium(fleet.folder());
    let videos: Vec<_> = (0..4).map(|_| fleet.submit(&clip, "web")).collect();
    wait_for("two workers", Duration::from_secs(30), || (fleet.workers().len() == 2).then_some(()));
    for video in &videos {
        assert_eq!(fleet.wait_final(video)["status"], "ready");
    }
    wait_for("one worker again", Duration::from_secs(120), || {
        (fleet.workers().len() == 1).then_some(())
    });
}

/// Of the tests themselves: it would go by the default.
#[test]
#[should_panic(expected = "a test sets UPLOAD_STALL_S, which nothing reads")]
fn a_test_cannot_set_what_nothing_reads() {
    let _ = Fleet::start(&[], &[("UPLOAD_STALL_S", "1")]);
}

#[test]
fn commands_say_plainly_when_no_fleet_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    for command in [&["jobs"][..], &["queue"], &["submit", "x.mp4"], &["dead", "list"]] {
        let output = reelfleet(command, &[("REELFLEET_DATA", &data)]);
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("reelfleet up") || said.contains("x.mp4"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn no_secret_is_printed_logged_or_passed_as_an_argument() {
    let fleet = Fleet::start(&[], &[("REELFLEET_LOG", "debug")]);
    let id = fleet.submit(&clips::short(fleet.folder()), "web");
    let _ = fleet.wait_final(&id);
    let secrets = fs::read_to_string(fleet.data().join("secrets.json")).unwrap();
    let secrets: serde_json::Value = serde_json::from_str(&secrets).unwrap();
    let secret = secrets["jwt_secret"].as_str().unwrap();
    let token = fleet.client().token.clone();
    let metrics = Client::new(&fleet.client().url, "").call("GET", "/metrics").unwrap();
    let metrics = String::from_utf8_lossy(&metrics.bytes).into_owned();
    let mut shown = fleet.log() + &metrics;
    for process in reelfleet_e2e::processes::descendants(fleet.pid()) {
        shown += &fs::read_to_string(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&environment).contains(secret), "{process:?}");
    }
    assert!(!shown.contains(secret) && !shown.contains(&token));
}

#[test]
fn jobs_that_do_nothing_show_that_a_fleet_works() {
    let fleet = Fleet::start(&[], &[]);
    let checked = fleet.run(&["check", "--count", "1000"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    assert!(said.starts_with("1000 jobs sent, 1000 done in "), "{said}");
}
