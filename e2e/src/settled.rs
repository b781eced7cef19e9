//! Whether everything that was accepted has ended, once.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::{Client, Fleet, wait_for};

/// The job of a video, as operators see it.
///
/// # Panics
///
/// Nobody answers.
#[must_use]
pub fn job(fleet: &Fleet, video: &str) -> Value {
    let job = fleet.video(video)["job"].as_str().unwrap_or_default().to_owned();
    let answer = fleet.client().call("GET", &format!("/api/jobs/{job}"));
    answer.unwrap_or_else(|error| panic!("{error}")).json
}

/// Every video ended once, under one epoch, and nothing else is there. How often each was executed.
///
/// # Panics
///
/// It is not so.
pub fn assert_settled(fleet: &Fleet, videos: &[String]) -> BTreeMap<String, usize> {
    let none = Vec::new();
    let mut executions = BTreeMap::new();
    for id in videos {
        let video = fleet.wait_final(id);
        assert_eq!(video["status"], "ready", "{video}");
        let job = job(fleet, id);
        let history = job["attempts_history"].as_array().unwrap_or(&none);
        let done = history.iter().filter(|attempt| attempt["outcome"] == "done").count();
        assert_eq!(done, 1, "{job}");
        executions.insert(id.clone(), history.len());
        let file = &video["files"][0];
        let url = file["url"].as_str().unwrap_or_default();
        let get = |client: &Client, path: &str| {
            client.call("GET", path).unwrap_or_else(|error| panic!("{error}: {video}"))
        };
        let mut served = get(fleet.client(), url);
        // A bucket serves its files itself, to whoever has the signed address.
        if let Some(elsewhere) = &served.location {
            served = get(&Client::new(elsewhere, ""), "");
        }
        assert_eq!(Some(served.bytes.len() as u64), file["bytes"].as_u64());
    }
    wait_for("the leftovers to be gone", Duration::from_secs(60), || {
        fleet.leftovers().is_empty().then_some(())
    });
    wait_for("no ffmpeg", Duration::from_secs(30), || fleet.ffmpegs().is_empty().then_some(()));
    executions
}
