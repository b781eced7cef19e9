//! C11: versions side by side, on one database and one queue.

use std::{fs, path::Path};

use reelfleet_e2e::{Client, deployed::told, files_below, playable, wait_for};
use reelfleet_servers::NextRelease;

use crate::{
    SOON, busy, leave,
    stage::{Queue, Stage},
};

/// The lane of all videos here, as a stream of Redis.
const LANE: &str = "{reelfleet}:transcode-normal";

/// C11.
#[test]
fn a_fleet_on_postgres_and_redis_goes_on_while_the_next_version_migrates() {
    the_next_version_migrates(Queue::Redis);
}

/// C11.
#[test]
fn a_fleet_on_postgres_goes_on_while_the_next_version_migrates() {
    the_next_version_migrates(Queue::Postgres);
}

/// C11.
#[test]
fn a_fleet_on_sqlite_goes_on_while_the_next_version_migrates() {
    the_next_version_migrates(Queue::Sqlite);
}

/// Everybody here is of this version; the schema, a message and a payload are of the next one, and
/// another message and payload of the first one.
fn the_next_version_migrates(queue: Queue) {
    let stage = Stage::set_with(queue, &[("DRAIN_SECONDS", "60")]);
    let (clip, film) = (stage.clip(), stage.film(8));
    let foreign = [stage.submit(&clip), stage.submit(&clip)];
    write_as_others_do(&stage, &foreign);
    let mut workers = ["i-a", "i-b"].map(|instance| stage.worker(instance, &[]));
    assert_all_whole(&stage, &foreign, &clip);
    assert_eq!(stage.get("/api/admin/queue")["dead_letters"], 0, "all of it was understood");

    // All that is asked was asked before, so it is prepared; and both are at work meanwhile.
    look_everywhere(&stage.client, &foreign[0]);
    let films: Vec<_> = (0..4).map(|_| stage.submit(&film)).collect();
    workers.iter().for_each(|worker| busy(&stage, worker));
    stage.store().make_next_release();
    look_everywhere(&stage.client, &foreign[0]);

    // Who comes anew finds nothing to do, and works.
    told(&["migrate"], &stage.settings(), "");
    assert_eq!(leave(&mut workers[0]), Some(0));
    let restarted = stage.worker("i-c", &[]);
    stage.wait_ready(&restarted);
    let (_api, client) = stage.another_api();
    look_everywhere(&client, &foreign[1]);
    let later = [stage.submit(&clip), stage.submit(&clip)];
    assert_all_whole(&stage, &films, &film);
    assert_all_whole(&stage, &later, &clip);
    look_everywhere(&stage.client, &later[0]);
    assert_nobody_complained(&stage);

    // Until the next version takes something away: then nobody of this one starts.
    stage.store().rows(NextRelease::RAISE);
    let mut refused = stage.worker("i-d", &[]);
    assert_eq!(refused.wait_end(SOON), Some(69), "{}", stage.log("i-d"));
    assert!(stage.log("i-d").contains("only versions that know migration"), "{}", stage.log("i-d"));
}

/// Rewrites what waits: the first as the version after this one may write it, the second as the first did.
fn write_as_others_do(stage: &Stage, [next, first]: &[String; 2]) {
    wait_for("both messages", SOON, || {
        let queue = stage.get("/api/admin/queue");
        let lanes = queue["lanes"].as_array()?.iter();
        (lanes.filter_map(|lane| lane["ready"].as_u64()).sum::<u64>() == 2).then_some(())
    });
    if let Some(redis) = &stage.redis {
        redis.run(&["XTRIM", LANE, "MAXLEN", "0"]);
    }
    for (video, more) in [(next, r#","of_the_next":{"some":[1]}"#), (first, "")] {
        let job = stage.video(video)["job"].as_str().unwrap().to_owned();
        let message = format!(r#"{{"job":"{job}","kind":"transcode","v":1{more}}}"#);
        let payload = format!(r#"{{"kind":"transcode","video":"{video}","profile":"web"{more}}}"#);
        stage.store().rows(&format!("UPDATE jobs SET payload = '{payload}' WHERE id = '{job}'"));
        match &stage.redis {
            Some(redis) => redis.run(&["XADD", LANE, "*", "m", &message]),
            None => {
                let written = format!("UPDATE messages SET body = '{message}' WHERE job = '{job}'");
                stage.store().rows(&written);
            }
        }
    }
}

/// Each is done once and whole, by one charged try.
fn assert_all_whole(stage: &Stage, videos: &[String], source: &Path) {
    let source_s = playable::facts(source).duration_s;
    for video in videos {
        stage.assert_whole(video, source_s, 1);
    }
}

/// Asks for whatever comes out of the database.
fn look_everywhere(client: &Client, video: &str) {
    let get = |path: &str| {
        let answer = client.call("GET", path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.json);
        answer
    };
    for path in [
        "/ready",
        "/metrics",
        "/api/auth/me",
        "/api/videos",
        "/api/admin/jobs",
        "/api/admin/queue",
        "/api/admin/workers",
        "/api/admin/dead",
    ] {
        get(path);
    }
    let seen = get(&format!("/api/videos/{video}")).json;
    get(&format!("/api/jobs/{}", seen["job"].as_str().unwrap()));
    let file = &seen["files"][0];
    let served = get(file["url"].as_str().unwrap());
    assert_eq!(Some(served.bytes.len() as u64), file["bytes"].as_u64());
}

/// A statement that no longer fits may well work at the next try, and is seen in the log only.
fn assert_nobody_complained(stage: &Stage) {
    let logs = files_below(stage.folder());
    for log in logs.iter().filter(|file| file.extension().is_some_and(|end| end == "log")) {
        let text = fs::read_to_string(log).unwrap();
        for word in ["ERROR", "panicked", "the database refused", "cached plan"] {
            assert!(!text.contains(word), "{}:\n{text}", log.display());
        }
    }
}

/// C11: a message that a newer version wrote in a form of its own does not stop an older worker.
#[test]
fn a_message_of_a_newer_version_becomes_a_letter_and_stops_nobody() {
    let stage = Stage::set(Queue::Sqs);
    let sqs = stage.sqs.as_ref().unwrap();
    let job = uuid::Uuid::now_v7();
    let newer = format!("{{\"v\":2,\"job\":\"{job}\",\"kind\":\"transcode\",\"more\":[1]}}");
    sqs.send("fleet-transcode-normal", &newer);
    let clip = stage.clip();
    let (video, _worker) = (stage.submit(&clip), stage.worker("i-1", &[]));
    stage.assert_whole(&video, playable::facts(&clip).duration_s, 1);
    wait_for("the letter", SOON, || {
        (stage.get("/api/admin/queue")["dead_letters"].as_u64() > Some(0)).then_some(())
    });
}
