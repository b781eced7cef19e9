//! What a campaign came to, in the words of Jepsen's `total-queue`.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use reelfleet_e2e::commit;
use serde_json::{Value, json};

use crate::{
    load::Sent,
    stage::{Backend, Stage},
    unasked::{Untold, unasked},
};

/// That a worker was killed.
#[derive(Debug)]
pub(crate) struct Kill {
    pub(crate) worker: String,
    pub(crate) at_ms: i64,
}

/// The counts. What was attempted and not answered may be there or not.
#[derive(Debug)]
pub(crate) struct Report {
    backend: &'static str,
    seed: u64,
    attempted: u64,
    acknowledged: u64,
    done: u64,
    dead: u64,
    cancelled: u64,
    pub(crate) lost: u64,
    unexpected: u64,
    duplicate_executions: u64,
    duplicate_effects: u64,
    pub(crate) kills: u64,
    pub(crate) zombies: u64,
    pub(crate) broker_restarts: u64,
    pub(crate) database_restarts: u64,
    pub(crate) cut_connections: u64,
    recovery_ms: Vec<i64>,
    pub(crate) seconds: f64,
}

impl Report {
    pub(crate) fn new(backend: Backend, seed: u64) -> Self {
        Self {
            backend: backend.name(),
            seed,
            attempted: 0,
            acknowledged: 0,
            done: 0,
            dead: 0,
            cancelled: 0,
            lost: 0,
            unexpected: 0,
            duplicate_executions: 0,
            duplicate_effects: 0,
            kills: 0,
            zombies: 0,
            broker_restarts: 0,
            database_restarts: 0,
            cut_connections: 0,
            recovery_ms: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Compares what was accepted with what the rows say.
    pub(crate) fn judge(&mut self, stage: &Stage, sent: &Sent, kills: &[Kill]) {
        let store = &stage.store;
        let jobs =
            store.rows("SELECT id, state, epoch, started_at, kind, priority, created_at FROM jobs");
        let states: HashMap<&str, &str> =
            jobs.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
        let in_state = |state: &str| jobs.iter().filter(|row| row[1] == state).count() as u64;
        (self.done, self.dead, self.cancelled) =
            (in_state("done"), in_state("dead"), in_state("cancelled"));
        let videos: HashMap<String, String> = store
            .rows("SELECT id, job, idempotency_key FROM videos")
            .into_iter()
            .filter(|row| sent.keys.contains(&row[2]))
            .map(|row| (row[0].clone(), row[1].clone()))
            .collect();
        let of_videos = sent.videos.iter().map(|video| videos.get(video));
        let accepted: Vec<Option<&String>> = sent.jobs.iter().map(Some).chain(of_videos).collect();
        self.attempted = sent.attempted;
        self.acknowledged = accepted.len() as u64;
        let ended = |job: &&Option<&String>| {
            let state = job.and_then(|job| states.get(job.as_str()));
            matches!(state, Some(&("done" | "dead" | "cancelled")))
        };
        self.lost = accepted.iter().filter(|job| !ended(job)).count() as u64;
        let unfinished = jobs.len() as u64 - self.done - self.dead - self.cancelled;
        // A job that nobody was told of must end all the same.
        self.unexpected = nobody_asked(&jobs, &videos, sent) + unfinished;
        let epochs: u64 = jobs.iter().filter_map(|row| row[2].parse::<u64>().ok()).sum();
        let claimed = jobs.iter().filter(|row| row[2] != "0").count() as u64;
        self.duplicate_executions = epochs - claimed;
        self.duplicate_effects = store.count(
            "SELECT coalesce(sum(times - 1), 0) FROM (SELECT count(*) AS times FROM effects GROUP BY job) AS e",
        ) + self.files_of_two_epochs(stage);
        self.recovery_ms = recoveries(stage, &jobs, kills);
    }

    /// A video shows files of one epoch, the one that closed its job, and all of them are there.
    fn files_of_two_epochs(&self, stage: &Stage) -> u64 {
        let files = stage.store.rows(
            "SELECT v.job, f.epoch, f.name, f.bytes, (SELECT max(e.epoch) FROM effects e WHERE e.job = v.job)
               FROM files f JOIN videos v ON v.id = f.video",
        );
        let mut wrong = HashSet::new();
        for row in &files {
            let [job, epoch, name, bytes, effect] = &row[..] else { panic!("{row:?}") };
            let path = stage.folder.path().join(format!("blobs/outputs/{job}/{epoch}/{name}"));
            let there = fs::metadata(&path).is_ok_and(|found| found.len().to_string() == *bytes);
            if epoch != effect || !there {
                println!("{}: {effect} was published, {bytes} bytes are named", path.display());
                wrong.insert(job.clone());
            }
        }
        wrong.len() as u64
    }

    pub(crate) fn json(&self) -> Value {
        let mut sorted = self.recovery_ms.clone();
        sorted.sort_unstable();
        let at = |share: f64| -> Option<i64> {
            let last = sorted.len().checked_sub(1)?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a place in a list"
            )]
            let place = (last as f64 * share).ceil() as usize;
            sorted.get(place).copied()
        };
        json!({
            "backend": self.backend, "seed": self.seed, "commit": commit(),
            "attempted": self.attempted, "acknowledged": self.acknowledged,
            "done": self.done, "dead": self.dead, "cancelled": self.cancelled,
            "lost": self.lost, "unexpected": self.unexpected,
            "duplicate_executions": self.duplicate_executions,
            "duplicate_effects": self.duplicate_effects,
            "kills": self.kills, "zombies": self.zombies, "broker_restarts": self.broker_restarts,
            "database_restarts": self.database_restarts, "cut_connections": self.cut_connections,
            "recovery_ms_p50": at(0.5), "recovery_ms_p99": at(0.99), "recovery_ms_max": at(1.0),
            "seconds": self.seconds,
        })
    }

    /// Puts it where the results are.
    pub(crate) fn write(&self) {
        let file = format!("results/chaos-{}.json", self.backend);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = serde_json::to_string_pretty(&self.json()).unwrap();
        fs::write(path, text + "\n").unwrap();
    }

    pub(crate) fn assert_nothing_lost(&self) {
        let wrong = (self.lost, self.unexpected, self.duplicate_effects);
        assert_eq!(wrong, (0, 0, 0), "lost, unexpected, duplicate effects: {:#}", self.json());
        assert!(self.zombies > 0, "nobody woke without its job: {:#}", self.json());
        assert!(self.done > 0 && self.dead == 0 && self.cancelled == 0, "{:#}", self.json());
    }
}

/// Jobs that no call asked for: a transcode without a video under a key of ours, and a no-op that
/// neither an answer named nor a call without an answer can have made.
fn nobody_asked(jobs: &[Vec<String>], videos: &HashMap<String, String>, sent: &Sent) -> u64 {
    let named: HashSet<&String> = sent.jobs.iter().chain(videos.values()).collect();
    let (noops, others): (Vec<_>, Vec<_>) =
        (jobs.iter()).filter(|row| !named.contains(&row[0])).partition(|row| row[4] == "noop");
    let untold = |row: &Vec<String>| Untold {
        priority: row[5].clone(),
        created_ms: row[6].parse().unwrap(),
    };
    unasked(noops.into_iter().map(untold).collect(), sent.doubts.clone()) + others.len() as u64
}

/// From the kill of a worker to the next claim of each job that it held, in milliseconds.
fn recoveries(stage: &Stage, jobs: &[Vec<String>], kills: &[Kill]) -> Vec<i64> {
    let killed: HashMap<&str, i64> =
        kills.iter().map(|kill| (kill.worker.as_str(), kill.at_ms)).collect();
    let attempts = stage.store.rows("SELECT job, epoch, started_at, worker, outcome FROM attempts");
    let number = |text: &str| text.parse::<i64>().unwrap_or_default();
    let ended = attempts.iter().map(|row| ((row[0].as_str(), number(&row[1])), number(&row[2])));
    let last = jobs.iter().map(|row| ((row[0].as_str(), number(&row[2])), number(&row[3])));
    let claims: HashMap<_, _> = ended.chain(last).collect();
    attempts
        .iter()
        .filter(|row| row[4] == "worker_lost")
        .filter_map(|row| {
            let at = killed.get(row[3].as_str())?;
            let next = claims.get(&(row[0].as_str(), number(&row[1]) + 1))?;
            Some(next - at)
        })
        .collect()
}
