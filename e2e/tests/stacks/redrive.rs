//! Dead jobs and dead letters are not the same thing.

use std::fs;

use reelfleet_e2e::{
    Fleet,
    cloud::{Cloud, Said, run},
};

#[test]
fn redrive_makes_dead_jobs_due_through_the_api_and_needs_a_token_for_it() {
    let fleet = Fleet::start(&["--max", "1"], &[]);
    let file = fleet.folder().join("none.mp4");
    fs::write(&file, "no video").unwrap();
    let video = fleet.submit(&file, "web");
    let failed = fleet.wait_final(&video);
    assert_eq!(failed["status"], "failed");
    let job = failed["job"].as_str().unwrap();

    let cloud = Cloud::at("http://127.0.0.1:1");
    let redrive = |token: &str, words: &[&str]| {
        let mut script = cloud.script("redrive", "film");
        script.env("REELFLEET_URL", &fleet.client().url).env("REELFLEET_TOKEN", token).args(words);
        Said::of(&run(&mut script))
    };
    redrive("", &["--all"]).refused(3, &["REELFLEET_TOKEN", "reelfleet dead list"]);
    redrive("nobody", &["--all"]).refused(1, &["the API refuses"]);
    redrive(&fleet.client().token, &[]).refused(2, &["which jobs?"]);

    let said = redrive(&fleet.client().token, &[job]).fine();
    assert!(said.contains("1 due again, 0 were not dead"), "{said}");
}
