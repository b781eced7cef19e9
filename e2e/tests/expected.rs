//! When videos are expected to be ready, and when they are.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use jiff::Timestamp;
use reelfleet_e2e::{Fleet, clips, wait_for};
use serde_json::Value;

/// How far an estimate may be off, on a machine that is busy with other tests.
const FACTOR: f64 = 5.0;

/// Estimates of less are about nothing.
const LEAST_S: f64 = 3.0;

fn moment(of: &Value) -> Option<Timestamp> {
    of.as_str().map(|text| text.parse().unwrap())
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(LEAST_S)
}

#[test]
fn a_batch_is_ready_about_when_it_was_expected_once_others_have_finished() {
    let fleet = Fleet::start(&["--max", "1"], &[]);
    let (short, medium) = (clips::short(fleet.folder()), clips::medium(fleet.folder()));
    for file in [&short, &medium, &medium] {
        let first = fleet.submit(file, "web");
        assert_eq!(fleet.wait_final(&first)["status"], "ready");
    }
    let videos: Vec<_> = (0..24)
        .map(|nth| fleet.submit(if nth % 4 == 3 { &short } else { &medium }, "web"))
        .collect();
    // An estimate is of a look at the fleet some seconds ago: until it has seen all of them.
    let asked = wait_for("an estimate for each", Duration::from_secs(60), || {
        let bodies: Vec<_> = videos.iter().map(|id| fleet.video(id)).collect();
        let moments: Vec<_> = bodies.iter().filter_map(|v| moment(&v["expected_at"])).collect();
        (moments.is_sorted() && moments.len() >= videos.len() - 1
            || bodies.iter().all(|v| v["status"] == "ready"))
        .then(|| (Timestamp::now(), bodies))
    });
    let (asked, bodies) = asked;
    let mut compared = Vec::new();
    for body in bodies {
        let Some(expected) = moment(&body["expected_at"]) else { continue };
        let ended = fleet.wait_final(body["id"].as_str().unwrap());
        let (told, took) =
            (seconds(asked, expected), seconds(asked, moment(&ended["finished_at"]).unwrap()));
        println!("expected in {told:.1} s, was ready in {took:.1} s");
        assert!(told < took * FACTOR && took < told * FACTOR, "{told} s told, {took} s taken");
        compared.push((told, took));
    }
    assert!(compared.len() >= 4, "{} estimates were given", compared.len());
    // Who stands further back is told a later moment, and not the same one as everybody.
    let (first, last) = (compared[0], compared[compared.len() - 1]);
    let (told, took) = (last.0 - first.0, last.1 - first.1);
    assert!(took > LEAST_S, "the batch was done too soon to tell: {took} s");
    assert!(told > took / FACTOR, "{took} s lay between them, and {told} s were told");
}
