//! Which processes of a fleet are at work, and on what.

use std::time::Duration;

use serde_json::Value;

use crate::{
    Fleet,
    fleet::PATIENCE,
    processes::{self, Process},
    wait_for,
};

/// ffmpeg, ffprobe, and what is put in front of them.
const PROGRAMS: [&str; 5] = ["ffmpeg", "ffprobe", "bwrap", "prlimit", "setpriv"];

/// For what dies with its parent: far less than the clips take whose transcode is killed.
const GONE: Duration = Duration::from_secs(10);

impl Fleet {
    /// Process ids of the workers that live.
    #[must_use]
    pub fn workers(&self) -> Vec<i32> {
        processes::all()
            .into_iter()
            .filter(|process| process.parent == self.pid() && !process.zombie)
            .filter(|process| process.name == "reelfleet")
            .map(|process| process.pid)
            .collect()
    }

    /// Waits for a worker that holds a job and has its ffmpeg under way; its process id.
    #[must_use]
    pub fn busy_worker(&self) -> i32 {
        wait_for("a busy worker", PATIENCE, || {
            let workers = self.client().call("GET", "/api/admin/workers").ok()?.json;
            let holds = |pid: i32| {
                workers["workers"].as_array().is_some_and(|workers| {
                    workers.iter().any(|w| w["pid"] == pid && w["running"].as_u64() > Some(0))
                })
            };
            let at_work = self.ffmpegs();
            self.workers().into_iter().filter(|pid| holds(*pid)).find(|pid| {
                let mut children = processes::descendants(*pid).into_iter();
                children.any(|child| child.name == "ffmpeg" && at_work.contains(&child))
            })
        })
    }

    /// Every ffmpeg and ffprobe at work on this fleet's files, and what is in front of them,
    /// whoever their parent is: what outlived its worker is nobody's child. An ffmpeg that only
    /// tells its version, as at each start of a worker, is none of them.
    #[must_use]
    pub fn ffmpegs(&self) -> Vec<Process> {
        let programs = processes::all().into_iter();
        processes::using(
            self.folder(),
            programs.filter(|process| PROGRAMS.contains(&process.name.as_str())),
        )
    }

    /// Running jobs that have more than half of their encode before them: none of them ends by
    /// itself in the next moment.
    #[must_use]
    pub fn in_mid_transcode(&self) -> Vec<Value> {
        let page = self.client().call("GET", "/api/admin/jobs?state=running&limit=100");
        let page = page.map(|page| page.json).unwrap_or_default();
        let jobs = page["jobs"].as_array().cloned().unwrap_or_default().into_iter();
        // Where there is any progress, the encode has begun.
        let far = |job: &Value| job["progress"].as_f64().is_some_and(|p| p > 0.0 && p < 0.5);
        jobs.filter(far).collect()
    }

    /// Waits until no process uses the fleet's folder any more.
    ///
    /// # Panics
    ///
    /// One stays.
    pub fn assert_no_process_left(&self) {
        let mut left = Vec::new();
        let gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for("every process to be gone", GONE, || {
                left = processes::using(self.folder(), processes::all());
                left.is_empty().then_some(())
            });
        }));
        assert!(gone.is_ok(), "processes are left: {left:?}");
    }
}
