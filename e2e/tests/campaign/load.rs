//! Who sends the work, and remembers what was accepted.

use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reelfleet_e2e::{Client, pause};
use serde_json::json;

use crate::{now_ms, unasked::Doubt};

/// How often an upload is repeated under its key.
const REPEATS: usize = 200;

/// What was asked for, and what of it was accepted.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) attempted: u64,
    /// Ids of jobs.
    pub(crate) jobs: Vec<String>,
    /// Ids of videos.
    pub(crate) videos: Vec<String>,
    /// Jobs that may be there.
    pub(crate) doubts: Vec<Doubt>,
    /// Of the videos: those that were asked for.
    pub(crate) keys: HashSet<String>,
}

/// How many jobs and videos may have been sent by now. The faults lead, the load follows.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    pub(crate) noops: AtomicU64,
    pub(crate) videos: AtomicU64,
    /// Videos besides, for faults that found none under way.
    pub(crate) further: AtomicU64,
    /// No more videos will be asked for.
    pub(crate) no_more: AtomicBool,
}

/// Sends until so many jobs were accepted, whatever else was asked for meanwhile, and every video
/// that was to be.
pub(crate) fn send(
    clients: &[Client],
    clip: &Path,
    seed: u64,
    noops: u64,
    allowed: &Arc<Allowance>,
) -> Sent {
    let mut random = StdRng::seed_from_u64(seed ^ 1);
    let (mut accepted, mut asked_videos) = (0, 0);
    let mut sent = Sent::default();
    loop {
        // Asked in this order: what was allowed before the end was told is seen.
        let no_more = allowed.no_more.load(Ordering::SeqCst);
        let [planned, further] =
            [&allowed.videos, &allowed.further].map(|videos| videos.load(Ordering::SeqCst));
        let videos = planned + further;
        if no_more && accepted >= noops && asked_videos >= videos {
            return sent;
        }
        let client = &clients[random.random_range(0..clients.len())];
        if asked_videos < videos {
            asked_videos += 1;
            sent.attempted += 1;
            let key = format!("campaign-{asked_videos}");
            sent.videos.extend(upload(clients, clip, &key, &mut random));
            sent.keys.insert(key);
        } else if accepted < allowed.noops.load(Ordering::SeqCst).min(noops) {
            let count = random.random_range(1..=20).min(noops - accepted);
            sent.attempted += count;
            let priority = ["high", "normal", "low"][random.random_range(0..3)];
            let wanted = json!({"count": count, "priority": priority});
            let from_ms = now_ms();
            let answer = client.json("POST", "/api/admin/noops", &wanted);
            if let Ok(answer) = &answer
                && answer.status == 202
            {
                accepted += count;
                let ids = answer.json["jobs"].as_array().cloned().unwrap_or_default();
                sent.jobs.extend(ids.iter().filter_map(|id| Some(id.as_str()?.to_owned())));
            } else {
                // Without an answer nobody knows: those jobs may be there, and need not.
                if !answer.is_err_and(|error| error.contains("refused")) {
                    let (priority, until_ms) = (priority.to_owned(), now_ms());
                    sent.doubts.push(Doubt { priority, count, from_ms, until_ms });
                }
                pause();
            }
        } else {
            pause();
        }
    }
}

/// One upload, repeated under its key until it is answered: it is one video all the same.
fn upload(clients: &[Client], clip: &Path, key: &str, random: &mut StdRng) -> Option<String> {
    for _ in 0..REPEATS {
        let client = &clients[random.random_range(0..clients.len())];
        let answer = client.upload_once(clip, "profile=web", key);
        if let Ok(answer) = answer
            && [200, 202].contains(&answer.status)
        {
            return answer.json["id"].as_str().map(ToOwned::to_owned);
        }
        pause();
    }
    None
}
