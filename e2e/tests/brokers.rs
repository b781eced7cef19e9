//! The whole fleet on the databases and brokers that a team runs, and without them for a while.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use reelfleet_e2e::{Fleet, clips, processes, settled::assert_settled, wait_for};
use reelfleet_servers::{Postgres, Redis};
use rustix::process::Signal;

const SETTINGS: [(&str, &str); 3] =
    [("LEASE_SECONDS", "3"), ("MAX_ATTEMPTS", "1000"), ("QUOTA_UNFINISHED_VIDEOS", "1000")];

/// For what takes up to 170 ms on a busy machine. A call that hangs takes longer.
const SOON: Duration = Duration::from_secs(3);

fn start(settings: &[(&str, &str)]) -> Fleet {
    let all: Vec<_> = SETTINGS.iter().chain(settings).copied().collect();
    Fleet::start(&["--min", "2", "--max", "2"], &all)
}

fn kill_a_busy_worker(fleet: &Fleet) {
    let busy = fleet.busy_worker();
    processes::signal(busy, Signal::KILL);
    wait_for("its end", SOON, || (!processes::is_alive(busy)).then_some(()));
}

/// Uploads until `stop`, and says which videos were accepted. What is refused says when to come again.
fn upload_until(fleet: &Fleet, stop: &AtomicBool) -> Vec<String> {
    let clip = clips::short(fleet.folder());
    let mut accepted = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let answer = fleet.client().upload(&clip, "profile=web").unwrap();
        match answer.status {
            202 => accepted.push(answer.json["id"].as_str().unwrap().to_owned()),
            503 => assert!(answer.retry_after.is_some(), "{}", answer.json),
            other => panic!("{other}: {}", answer.json),
        }
        reelfleet_e2e::pause();
    }
    accepted
}

/// Uploads while `fault` happens, kills a worker as well; everything that was accepted ends once.
fn survives(fleet: &Fleet, fault: impl FnOnce()) {
    // Made before two threads want it.
    let _ = clips::short(fleet.folder());
    let clip = clips::medium(fleet.folder());
    let mut videos: Vec<_> = (0..3).map(|_| fleet.submit(&clip, "web")).collect();
    kill_a_busy_worker(fleet);
    let stop = AtomicBool::new(false);
    videos.extend(std::thread::scope(|scope| {
        let uploads = scope.spawn(|| upload_until(fleet, &stop));
        fault();
        stop.store(true, Ordering::Relaxed);
        uploads.join().unwrap()
    }));
    // And it takes more, without a restart of ours.
    videos.push(wait_for("an upload to be accepted", SOON, || {
        let answer = fleet.client().upload(&clip, "profile=web").unwrap();
        (answer.status == 202).then(|| answer.json["id"].as_str().unwrap().to_owned())
    }));
    assert_settled(fleet, &videos);
}

fn pause(seconds: u64) {
    let until = std::time::Instant::now() + Duration::from_secs(seconds);
    wait_for("a while", Duration::from_secs(60), || {
        (std::time::Instant::now() > until).then_some(())
    });
}

#[test]
fn a_fleet_on_postgres_goes_on_when_postgres_was_killed() {
    let postgres = Postgres::start();
    let fleet = start(&[("DATABASE_URL", &postgres.create("fleet"))]);
    survives(&fleet, || {
        postgres.kill();
        pause(5);
        let answer = fleet.client().call("GET", "/ready").unwrap();
        assert_eq!(answer.status, 503);
        postgres.restart();
    });
}

#[test]
fn a_fleet_on_postgres_that_is_killed_goes_on_where_it_was() {
    let postgres = Postgres::start();
    let mut fleet = start(&[("DATABASE_URL", &postgres.create("fleet"))]);
    let clip = clips::medium(fleet.folder());
    let videos: Vec<_> = (0..3).map(|_| fleet.submit(&clip, "web")).collect();
    wait_for("an ffmpeg", SOON, || fleet.ffmpegs().pop());
    fleet.kill_all();
    fleet.up_again();
    assert_settled(&fleet, &videos);
}

/// Without its broker a fleet takes work all the same, says so, and does it when the broker is back.
fn goes_on_without_its_broker(settings: &[(&str, &str)], kill: impl Fn(), restart: impl Fn()) {
    let fleet = start(settings);
    survives(&fleet, || {
        kill();
        let queue = || fleet.client().call("GET", "/api/admin/queue").unwrap().json;
        wait_for("the fleet to notice", SOON, || {
            (queue()["broker_available"] == false).then_some(())
        });
        let clip = clips::short(fleet.folder());
        let accepted = fleet.client().upload(&clip, "profile=web").unwrap();
        assert_eq!(accepted.status, 202, "{}", accepted.json);
        restart();
        wait_for("the fleet to notice", SOON, || {
            (queue()["broker_available"] == true).then_some(())
        });
        let id = accepted.json["id"].as_str().unwrap();
        assert_eq!(fleet.wait_final(id)["status"], "ready");
    });
}

#[test]
fn a_fleet_on_postgres_and_redis_goes_on_when_redis_was_killed() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    goes_on_without_its_broker(
        &[
            ("DATABASE_URL", &postgres.create("fleet")),
            ("QUEUE_TYPE", "redis"),
            ("REDIS_URL", &redis.url(0)),
        ],
        || redis.kill(),
        || redis.restart(),
    );
}
