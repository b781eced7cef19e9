//! C10: a zone that is cut off from the database, and nothing else of it.

use std::time::{Duration, Instant};

use reelfleet_e2e::{pause, playable, wait_for, way::Way};

use crate::{
    SOON, busy, leave,
    stage::{LEASE, Queue, Stage},
};

/// C10: connections to Postgres end, and new ones are ended at once.
#[test]
fn a_zone_that_is_cut_off_delays_its_jobs_and_has_no_effect_when_it_is_back() {
    a_zone_is_cut_off(Way::close);
}

/// C10: connections to Postgres stay, and nothing comes through them; nor through new ones.
#[test]
fn a_zone_that_falls_silent_delays_its_jobs_and_has_no_effect_when_it_is_back() {
    a_zone_is_cut_off(Way::fall_silent);
}

/// A worker of one zone is cut off from Postgres, which is its queue as well, in mid-job; it still
/// reaches the videos' storage, which is a folder here. The other zone does all of it, and what the first one still does when it is back has no effect.
fn a_zone_is_cut_off(cut: fn(&Way)) {
    let stage = Stage::set_with(Queue::Postgres, &[("DRAIN_SECONDS", "60")]);
    let port = stage.postgres.as_ref().unwrap().port();
    let way = Way::before(port);
    let url =
        stage.setting("DATABASE_URL").replace(&format!(":{port}/"), &format!(":{}/", way.port()));
    let film = stage.film(8);
    let source_s = playable::facts(&film).duration_s;
    let mut cut_off = stage.worker("i-a", &[("DATABASE_URL", &url)]);
    let videos: Vec<_> = (0..3).map(|_| stage.submit(&film)).collect();
    busy(&stage, &cut_off);
    cut(&way);
    let closed = Instant::now();
    // It cannot keep its lease, and stops its own work, which takes much longer.
    wait_for("it to give up its job", SOON, || {
        let given_up = "could not be renewed in time: it is stopped";
        (stage.log("i-a").contains(given_up) && !cut_off.encodes()).then_some(())
    });
    let other = stage.worker("i-b", &[]);
    wait_for("the other zone to do all of it", Duration::from_secs(120), || {
        videos.iter().all(|video| stage.video(video)["status"] == "ready").then_some(())
    });
    while closed.elapsed() < 3 * LEASE {
        pause();
    }
    assert!(!cut_off.encodes(), "it cannot keep its lease, and goes on");
    way.open();
    let executions: Vec<_> =
        videos.iter().map(|video| stage.job(video)["attempts_history"].clone()).collect();
    let lost = executions.iter().flat_map(|history| history.as_array().unwrap());
    assert_eq!(lost.filter(|attempt| attempt["outcome"] == "worker_lost").count(), 1);
    // It is of use again: alone it does the next one.
    drop(other);
    let next = stage.submit(&film);
    stage.assert_whole(&next, source_s, 1);
    assert_eq!(stage.job(&next)["attempts_history"][0]["worker"], cut_off.id.as_str());
    for (nth, video) in videos.iter().enumerate() {
        // The lost try is charged: nobody knows what became of it.
        let charged = executions[nth].as_array().unwrap().len() as u64;
        stage.assert_whole(video, source_s, charged);
    }
    assert_eq!(leave(&mut cut_off), Some(0));
}
