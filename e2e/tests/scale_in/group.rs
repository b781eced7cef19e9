//! C5 to C8: what the group and Spot say, and what they do not.

use std::time::Duration;

use reelfleet_e2e::{clips, playable, wait_for};
use reelfleet_servers::group::{Action, Ended, Fault, MetadataFault};
use rustix::process::Signal;

use crate::{
    SOON, busy, leave,
    stage::{Queue, Stage, in_hand},
};

/// C5: in mid-job, with an API that is throttled, told twice, and with another instance beside it.
/// A worker that is there again finds the end, and takes nothing.
#[test]
fn an_instance_that_is_to_end_finishes_its_job_and_completes_once() {
    // No lease runs out here, however busy the machine is.
    let more = [("DRAIN_SECONDS", "60"), ("LEASE_SECONDS", "30")];
    let stage = Stage::set_with(Queue::Sqlite, &more);
    let film = stage.film(40);
    let source_s = playable::facts(&film).duration_s;
    let video = stage.submit(&film);
    let mut worker = stage.worker("i-1", &[]);
    busy(&stage, &worker);
    let mut other = stage.worker("i-2", &[]);
    stage.wait_ready(&other);
    let (early, who) = (std::sync::mpsc::channel(), (worker.id.clone(), worker.pid()));
    let client = stage.client.clone();
    let (tell, told) = early;
    stage.group.when_completed(move |_| {
        let _ = tell.send(in_hand(&client, &who.0, who.1));
    });
    stage.group.fail(Some(Action::Heartbeat), Fault::Throttled, 1);
    stage.group.fail(Some(Action::Complete), Fault::Throttled, 2);
    stage.group.terminate("i-1");
    stage.group.terminate("i-1");
    assert_eq!(worker.wait_end(SOON), Some(10));
    let held = told.try_iter().collect::<Vec<_>>();
    assert_eq!(held, [Vec::<String>::new()], "what was in hand when it completed");
    assert_eq!(stage.assert_whole(&video, source_s, 1), 1);
    let wait = stage.group.lifecycle("i-1").unwrap();
    assert!(!wait.heartbeats.is_empty(), "it took seconds, and nobody prolonged the wait");
    assert_eq!(wait.ended.map(|(_, how)| how), Some(Ended::Completed("CONTINUE".into())));
    let done = |action| {
        let calls = stage.group.calls_of("i-1", action);
        calls.iter().filter(|call| call.done).count()
    };
    assert_eq!(done(Action::Complete), 1);
    assert_eq!(other.ended(), None, "another instance was meant");
    assert_eq!(leave(&mut other), Some(0));
    assert!(stage.group.calls_of("i-2", Action::Complete).is_empty());
    let waiting = stage.submit(&film);
    let mut again = stage.worker("i-1", &[]);
    assert_eq!(again.wait_end(SOON), Some(10));
    assert_eq!((done(Action::Complete), &stage.job(&waiting)["epoch"]), (1, &0.into()));
    assert!(stage.log("i-1").contains("left.why=\"terminated\""), "{}", stage.log("i-1"));
}

/// C5: without an answer from the database a worker cannot even begin, and need not to say goodbye.
#[test]
fn a_worker_that_was_killed_and_is_there_again_completes_without_its_database() {
    let stage = Stage::set(Queue::Sqlite);
    let worker = stage.worker("i-1", &[]);
    stage.wait_ready(&worker);
    worker.signal(Signal::KILL);
    drop(worker);
    stage.group.terminate("i-1");
    let mut again = stage.worker("i-1", &[("DATABASE_URL", "postgres://nobody@127.0.0.1:9/none")]);
    assert_eq!(again.wait_end(SOON), Some(10));
    let wait = stage.group.lifecycle("i-1").unwrap();
    assert_eq!(wait.ended.map(|(_, how)| how), Some(Ended::Completed("CONTINUE".into())));
}

/// C6: the metadata are silent for a whole job, which is done; then Spot takes the instance.
#[test]
fn silent_metadata_cost_no_job_and_a_notice_of_spot_hands_back_in_time() {
    let stage = Stage::set_with(Queue::Sqlite, &[("DRAIN_SECONDS", "600")]);
    stage.group.instance("i-1");
    stage.group.fail_metadata("i-1", Some(MetadataFault::Silent));
    let clip = stage.clip();
    let (first, mut worker) = (stage.submit(&clip), stage.worker("i-1", &[]));
    stage.assert_whole(&first, playable::facts(&clip).duration_s, 1);
    stage.group.fail_metadata("i-1", None);
    wait_for("them to answer", SOON, || {
        stage.log("i-1").contains("instance metadata answer again").then_some(())
    });
    let long = stage.submit(&clips::long(stage.folder()));
    busy(&stage, &worker);
    // Two seconds are left of it.
    stage.group.notice_spot("i-1", Duration::from_secs(27));
    assert_eq!(worker.wait_end(Duration::from_secs(27)), Some(11), "by then it was to be done");
    let job = stage.job(&long);
    assert_eq!((&job["state"], &job["attempts"]), (&"queued".into(), &0.into()), "{job}");
    assert!(stage.group.calls_of("i-1", Action::Complete).is_empty());
    stage.assert_no_ffmpeg();
    // Back on its feet it takes nothing, until the group ends the instance as well.
    let mut again = stage.worker("i-1", &[]);
    let looks = stage.group.looks("i-1");
    wait_for("it to look again", SOON, || (stage.group.looks("i-1") > looks + 8).then_some(()));
    assert_eq!((again.ended(), &stage.job(&long)["epoch"]), (None, &1.into()));
    stage.group.terminate("i-1");
    assert_eq!(again.wait_end(SOON), Some(10));
}

/// C7: the API of protection fails for a whole job, and a worker is killed while it protects.
#[test]
fn a_protection_that_fails_costs_no_job_and_one_that_was_left_on_is_taken_off() {
    let stage = Stage::set_with(Queue::Sqlite, &[("DRAIN_SECONDS", "0")]);
    let clip = stage.clip();
    let source_s = playable::facts(&clip).duration_s;
    stage.group.fail(None, Fault::ServerError, usize::MAX);
    let (video, worker) = (stage.submit(&clip), stage.worker("i-1", &[]));
    stage.assert_whole(&video, source_s, 1);
    wait_for("it to be told", SOON, || {
        stage.log("i-1").contains("protected and idle").then_some(())
    });
    stage.group.heal();
    let long = stage.submit(&clips::long(stage.folder()));
    busy(&stage, &worker);
    wait_for("the protection", SOON, || stage.group.is_protected("i-1").then_some(()));
    assert_eq!(stage.group.scale_in(), None, "a protected instance is not chosen");
    worker.signal(Signal::KILL);
    drop(worker);
    stage.client.call("POST", &format!("/api/videos/{long}/cancel")).unwrap();
    assert!(stage.group.is_protected("i-1"));
    let mut next = stage.worker("i-1", &[]);
    wait_for("the protection to go", SOON, || (!stage.group.is_protected("i-1")).then_some(()));
    assert_eq!(stage.group.scale_in().as_deref(), Some("i-1"));
    assert_eq!(next.wait_end(SOON), Some(10));
}

/// C8: the group decides while the worker is about to protect its instance.
#[test]
fn a_job_whose_worker_was_chosen_before_the_claim_is_not_claimed_and_goes_to_another() {
    for (queue, kind) in [(Queue::Sqlite, "transcode"), (Queue::Sqlite, "noop")] {
        let stage = Stage::set(queue);
        let mut worker = stage.worker("i-1", &[]);
        stage.wait_ready(&worker);
        stage.group.fail(Some(Action::Protect), Fault::Slow(Duration::from_secs(2)), 1);
        let job = if kind == "noop" {
            let wanted = serde_json::json!({"count": 1, "priority": "normal"});
            let made = stage.client.json("POST", "/api/admin/noops", &wanted).unwrap();
            made.json["jobs"][0].as_str().unwrap().to_owned()
        } else {
            let video = stage.submit(&stage.clip());
            stage.video(&video)["job"].as_str().unwrap().to_owned()
        };
        let job = || stage.get(&format!("/api/jobs/{job}"));
        wait_for("the call", SOON, || {
            (!stage.group.calls_of("i-1", Action::Protect).is_empty()).then_some(())
        });
        assert_eq!(stage.group.scale_in().as_deref(), Some("i-1"));
        assert_eq!(worker.wait_end(SOON), Some(10));
        let refused = job();
        assert_eq!((&refused["state"], &refused["epoch"]), (&"queued".into(), &0.into()), "{kind}");
        let _other = stage.worker("i-2", &[]);
        // It was given back, rather than left hidden for half a minute.
        wait_for("the other to do it", Duration::from_secs(20), || {
            (job()["state"] == "done").then_some(())
        });
    }
}
