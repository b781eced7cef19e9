//! Faults at the worst moments: nothing accepted is lost, nothing is done twice, nothing is left behind.
//!
//! The short campaigns run with `make test`, the long ones with `make chaos`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use reelfleet_e2e::{
    Fleet, clips, pause, processes,
    settled::{assert_settled, job},
    wait_for,
};
use rustix::process::Signal;
use serde_json::Value;

/// A lease short enough to wait for, and attempts that kills cannot use up.
const SETTINGS: &[(&str, &str)] =
    &[("LEASE_SECONDS", "3"), ("MAX_ATTEMPTS", "1000"), ("QUOTA_UNFINISHED_VIDEOS", "1000")];

fn report(what: &str, executions: &BTreeMap<String, usize>, began: Instant) {
    let twice = executions.values().filter(|count| **count > 1).count();
    let all: usize = executions.values().sum();
    println!(
        "{what}: {} videos, lost 0, published twice 0, executed more than once {twice} ({all} executions), {:.0} s",
        executions.len(),
        began.elapsed().as_secs_f64()
    );
}

/// Executions beyond the first of each video.
fn again(executions: &BTreeMap<String, usize>) -> usize {
    executions.values().map(|count| count - 1).sum()
}

/// Kills a worker at some moment of its work again and again while a batch runs.
fn kill_workers(videos: usize, kills: usize) {
    let began = Instant::now();
    let fleet = Fleet::start(&["--min", "2", "--max", "2"], SETTINGS);
    let clip = clips::medium(fleet.folder());
    let videos: Vec<_> = (0..videos).map(|_| fleet.submit(&clip, "web")).collect();
    let mut killed = 0;
    while killed < kills {
        let backlog = fleet.client().call("GET", "/api/admin/queue").unwrap().json;
        assert!(
            backlog["backlog"]["total"].as_u64().unwrap() > 0,
            "all done after {killed} kills: the batch is too small"
        );
        let busy = fleet.busy_worker();
        let pause = Instant::now() + Duration::from_millis(rand_below(400));
        wait_for("a moment", Duration::from_secs(10), || (Instant::now() > pause).then_some(()));
        processes::signal(busy, Signal::KILL);
        killed += 1;
        wait_for("its end", Duration::from_secs(30), || (!processes::is_alive(busy)).then_some(()));
    }
    let executions = assert_settled(&fleet, &videos);
    // At any moment: now and then a worker dies between two jobs.
    assert!(again(&executions) >= kills / 2, "most kills missed the jobs: {executions:?}");
    report(&format!("{kills} × kill -9 of a worker"), &executions, began);
    let mut fleet = fleet;
    fleet.signal(Signal::TERM);
    fleet.wait_end(Duration::from_secs(60));
    fleet.assert_no_process_left();
}

fn rand_below(limit: u64) -> u64 {
    rand::random_range(0..limit)
}

/// Kills the main process and all workers at once, and starts again.
fn kill_everything(videos: usize, kills: usize) {
    let began = Instant::now();
    let mut fleet = Fleet::start(&["--min", "2", "--max", "2"], SETTINGS);
    let clip = clips::medium(fleet.folder());
    let videos: Vec<_> = (0..videos).map(|_| fleet.submit(&clip, "web")).collect();
    for _ in 0..kills {
        wait_for("a job in mid-transcode", Duration::from_secs(60), || {
            fleet.in_mid_transcode().pop()
        });
        fleet.kill_all();
        fleet.assert_no_process_left();
        fleet.up_again();
    }
    let executions = assert_settled(&fleet, &videos);
    assert!(again(&executions) >= kills, "a kill missed the jobs: {executions:?}");
    report(&format!("{kills} × kill -9 of everything"), &executions, began);
    assert_eq!(fleet.output_folders().len(), videos.len());
}

/// B1.
#[test]
fn workers_that_are_killed_lose_no_video() {
    kill_workers(8, 6);
}

#[test]
fn a_fleet_that_is_killed_goes_on_where_it_was() {
    kill_everything(4, 2);
}

/// B1.
#[test]
#[ignore = "a long campaign: make chaos"]
fn a_hundred_kills_of_workers_lose_no_video() {
    kill_workers(120, 100);
}

#[test]
#[ignore = "a long campaign: make chaos"]
fn twenty_kills_of_everything_lose_no_video() {
    kill_everything(40, 20);
}

/// B1.
#[test]
fn no_ffmpeg_outlives_whoever_is_killed() {
    let mut fleet = Fleet::start(&["--max", "1"], SETTINGS);
    // More than a minute of work: what is gone within seconds did not come to its end.
    let long = fleet.submit(&clips::long(fleet.folder()), "web");
    for killed in ["the worker", "the main process", "both"] {
        let worker = fleet.busy_worker();
        let at_work = fleet.ffmpegs();
        match killed {
            "the worker" => {
                // Past the poster it opens no file until the end: it would not even notice that
                // its folder is removed.
                wait_for("the poster", Duration::from_secs(60), || {
                    (job(&fleet, &long)["progress"].as_f64() > Some(0.02)).then_some(())
                });
                processes::signal(worker, Signal::KILL);
            }
            "the main process" => {
                fleet.signal(Signal::KILL);
                fleet.wait_end(Duration::from_secs(30));
            }
            _ => fleet.kill_all(),
        }
        wait_for(&format!("ffmpeg to die with {killed}"), Duration::from_secs(10), || {
            at_work.iter().all(|process| !processes::is_alive(process.pid)).then_some(())
        });
        if killed != "the worker" {
            fleet.assert_no_process_left();
            fleet.up_again();
        }
    }
    let _ = fleet.run(&["cancel", &long]);
    assert_eq!(fleet.wait_final(&long)["status"], "cancelled");
    fleet.assert_clean();
}

#[test]
fn workers_leave_when_only_the_main_process_is_killed() {
    let mut fleet = Fleet::start(&["--max", "1"], SETTINGS);
    let long = fleet.submit(&clips::long(fleet.folder()), "web");
    let _ = fleet.busy_worker();
    fleet.signal(Signal::KILL);
    fleet.wait_end(Duration::from_secs(30));
    fleet.assert_no_process_left();
    fleet.up_again();
    let first = job(&fleet, &long)["attempts_history"][0].clone();
    assert_eq!(first["outcome"], "handed_back", "{first}");
    let _ = fleet.run(&["cancel", &long]);
    assert_eq!(fleet.wait_final(&long)["status"], "cancelled");
}

/// Stops a worker that has a job in hand. One in four has SQLite's lock as well, and then the whole
/// fleet stands still with it: it goes on for a moment.
fn freeze(fleet: &Fleet) -> i32 {
    let worker = fleet.busy_worker();
    loop {
        processes::signal(worker, Signal::STOP);
        let file = fleet.data().join("reelfleet.db");
        #[expect(clippy::disallowed_methods, reason = "sqlite3 tells who has the lock")]
        let mut sqlite = std::process::Command::new("sqlite3");
        let written =
            sqlite.arg("-cmd").arg(".timeout 2000").arg(file).arg("BEGIN IMMEDIATE; ROLLBACK");
        if written.output().unwrap().status.success() {
            return worker;
        }
        processes::signal(worker, Signal::CONT);
        pause();
    }
}

/// B2.
#[test]
fn a_worker_frozen_past_its_lease_changes_nothing_when_it_wakes() {
    let fleet = Fleet::start(&["--min", "2", "--max", "2"], SETTINGS);
    let video = fleet.submit(&clips::medium(fleet.folder()), "web");
    let frozen = freeze(&fleet);
    let ready = fleet.wait_final(&video);
    assert_eq!(ready["status"], "ready", "{ready}");
    let before = job(&fleet, &video);
    assert_eq!(before["attempts_history"][0]["outcome"], "worker_lost", "{before}");
    processes::signal(frozen, Signal::CONT);
    // It finds its lease gone, stops its ffmpeg and cleans up after itself.
    wait_for("its ffmpeg to be gone", Duration::from_secs(60), || {
        fleet.ffmpegs().is_empty().then_some(())
    });
    wait_for("its files to be gone", Duration::from_secs(60), || {
        (fleet.leftovers().is_empty() && fleet.output_folders().len() == 1).then_some(())
    });
    let after = job(&fleet, &video);
    assert_eq!((&after["state"], &after["epoch"]), (&before["state"], &before["epoch"]));
    assert_eq!(fleet.video(&video), ready);
    // And it still takes jobs.
    let next: Vec<_> = (0..4).map(|_| fleet.submit(&clips::short(fleet.folder()), "web")).collect();
    for id in next {
        assert_eq!(fleet.wait_final(&id)["status"], "ready");
    }
}

#[test]
fn a_worker_that_was_frozen_works_its_backlog_off_when_it_wakes() {
    let fleet = Fleet::start(&["--max", "1"], SETTINGS);
    let clip = clips::medium(fleet.folder());
    let videos: Vec<_> = (0..4).map(|_| fleet.submit(&clip, "web")).collect();
    let worker = freeze(&fleet);
    wait_for("its lease to run out", Duration::from_secs(60), || {
        let first = job(&fleet, &videos[0]);
        (first["attempts_history"][0]["outcome"] == "worker_lost").then_some(())
    });
    processes::signal(worker, Signal::CONT);
    let executions = assert_settled(&fleet, &videos);
    let all: usize = executions.values().sum();
    assert!(all <= videos.len() + 3, "each job ran again and again: {executions:?}");
    assert!(processes::is_alive(worker), "it was replaced rather than let work");
}

#[test]
fn a_worker_told_to_leave_in_mid_transcode_is_not_charged() {
    let fleet = Fleet::start(&["--max", "1"], &[("DRAIN_SECONDS", "1")]);
    let long = fleet.submit(&clips::long(fleet.folder()), "web");
    for handed_back in 1..=3 {
        let worker = fleet.busy_worker();
        processes::signal(worker, Signal::TERM);
        wait_for("its end", Duration::from_secs(60), || {
            (!processes::is_alive(worker)).then_some(())
        });
        let job = job(&fleet, &long);
        let history = job["attempts_history"].as_array().unwrap();
        let given = history.iter().filter(|attempt| attempt["outcome"] == "handed_back").count();
        assert_eq!(given, handed_back, "{job}");
        assert!(job["attempts"].as_u64().unwrap() <= 1, "{job}");
    }
    let _ = fleet.run(&["cancel", &long]);
    let last = fleet.wait_final(&long);
    assert_eq!(last["status"], "cancelled", "{last}");
    assert_eq!(fleet.output_folders(), Vec::<PathBuf>::new());
}

#[test]
fn a_worker_told_to_leave_finishes_what_it_can_and_another_takes_the_rest() {
    let fleet = Fleet::start(&["--max", "1"], &[("DRAIN_SECONDS", "600")]);
    let clip = clips::medium(fleet.folder());
    let first = fleet.submit(&clip, "web");
    let worker = fleet.busy_worker();
    processes::signal(worker, Signal::TERM);
    wait_for("it to take nothing more", Duration::from_secs(30), || {
        let workers = fleet.client().call("GET", "/api/admin/workers").unwrap().json;
        let mut workers = workers["workers"].as_array().unwrap().iter();
        let takes = |w: &Value| w["pid"] == worker && w["state"] == "active";
        (!workers.any(takes)).then_some(())
    });
    let second = fleet.submit(&clip, "web");
    wait_for("its end", Duration::from_secs(60), || (!processes::is_alive(worker)).then_some(()));
    assert_eq!(fleet.video(&first)["status"], "ready", "it left before it was done");
    let executions = assert_settled(&fleet, &[first.clone(), second.clone()]);
    assert!(executions.values().all(|count| *count == 1), "{executions:?}");
    let [first, second] = [&first, &second].map(|video| job(&fleet, video));
    assert_eq!((&first["attempts"], &second["attempts"]), (&1.into(), &1.into()));
    let by = |job: &Value| job["attempts_history"][0]["worker"].clone();
    assert_ne!(by(&first), by(&second));
    let said = fleet.log();
    assert!(said.contains("leaves: 1 finished in all, 0 handed back"), "{said}");
}

/// B5, but for how fast the others go on; and B6: from the dead letters back.
#[test]
fn a_job_that_kills_its_workers_is_dead_after_its_attempts_and_others_go_on() {
    let fleet = Fleet::start(&["--max", "1"], &[("LEASE_SECONDS", "3"), ("MAX_ATTEMPTS", "2")]);
    let poison = fleet.submit(&clips::long(fleet.folder()), "web");
    for _ in 0..2 {
        let worker = fleet.busy_worker();
        processes::signal(worker, Signal::KILL);
        wait_for("its end", Duration::from_secs(30), || {
            (!processes::is_alive(worker)).then_some(())
        });
    }
    let failed = fleet.wait_final(&poison);
    assert_eq!(failed["error"]["code"], "worker_lost", "{failed}");
    let good = fleet.submit(&clips::short(fleet.folder()), "web");
    assert_eq!(fleet.wait_final(&good)["status"], "ready");

    let dead = fleet.run(&["dead", "list", "--json"]);
    let dead: Value = serde_json::from_slice(&dead.stdout).unwrap();
    assert_eq!(dead.as_array().unwrap().len(), 1, "{dead}");
    let id = dead[0]["id"].as_str().unwrap();
    assert!(fleet.run(&["dead", "show", id]).status.success());
    assert!(fleet.run(&["dead", "redrive", id]).status.success());
    let _ = fleet.wait_status(&poison, &["queued", "processing"]);
    let _ = fleet.run(&["cancel", &poison]);
    assert_eq!(fleet.wait_final(&poison)["status"], "cancelled");
}
