//! What a batch came to.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use reelfleet_e2e::commit;
use serde_json::{Value, json};

use crate::stage::Queue;

#[derive(Debug)]
pub(crate) struct Report {
    queue: Queue,
    seed: u64,
    pub(crate) signals: u64,
    /// Instances that the group ended.
    pub(crate) terminated: u64,
    /// Of those, whose wait was completed once, with CONTINUE.
    pub(crate) completed: u64,
    /// Workers that had left by a signal when the group decided, and completed when they were back.
    pub(crate) came_back: u64,
    pub(crate) videos: u64,
    pub(crate) handed_back: u64,
    /// Completions that came while something was in hand.
    pub(crate) early: Vec<String>,
    /// Waits that were not completed once, and completions without a wait.
    pub(crate) wrong: Vec<String>,
    codes: BTreeMap<String, u64>,
    took_ms: Vec<u128>,
    pub(crate) seconds: f64,
}

impl Report {
    pub(crate) fn new(queue: Queue, seed: u64) -> Self {
        Self {
            queue,
            seed,
            signals: 0,
            terminated: 0,
            completed: 0,
            came_back: 0,
            videos: 0,
            handed_back: 0,
            early: Vec::new(),
            wrong: Vec::new(),
            codes: BTreeMap::new(),
            took_ms: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Notes how a worker left, and how long that took.
    pub(crate) fn left(&mut self, code: Option<i32>, took: Duration) {
        let code = code.map_or("none".to_owned(), |code| code.to_string());
        *self.codes.entry(code).or_default() += 1;
        self.took_ms.push(took.as_millis());
        self.took_ms.sort_unstable();
    }

    pub(crate) fn json(&self) -> Value {
        let part = |of: usize| self.took_ms.get((self.took_ms.len().max(1) - 1) * of / 100);
        json!({
            "queue": format!("{:?}", self.queue).to_lowercase(),
            "seed": self.seed,
            "commit": commit(),
            "seconds": self.seconds,
            "signals": self.signals,
            "instances_terminated": self.terminated,
            "lifecycles_completed_once": self.completed,
            "lifecycles_wrong": self.wrong,
            "completed_early": self.early,
            "completed_after_a_restart": self.came_back,
            "videos_accepted": self.videos,
            "videos_ready_whole_and_charged_once": self.videos,
            "jobs_handed_back": self.handed_back,
            "exit_codes": self.codes,
            "leave_ms": {"p50": part(50), "p99": part(99), "most": part(100)},
        })
    }

    /// Writes the file that the documents tell of.
    pub(crate) fn write(&self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/scale-in.json");
        fs::write(path, serde_json::to_string_pretty(&self.json()).unwrap() + "\n").unwrap();
    }

    pub(crate) fn assert_sound(&self) {
        assert!(self.early.is_empty() && self.wrong.is_empty(), "{:#}", self.json());
        assert_eq!(self.completed, self.terminated, "{:#}", self.json());
        assert!(self.terminated > 0 && self.handed_back > 0, "it shows nothing: {:#}", self.json());
    }
}
