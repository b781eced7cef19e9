//! `reelfleet submit --wait`, as its users run it.

use std::{
    fs::File,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{Fleet, fleet::command, pause};

impl Fleet {
    /// Submits files in one command and waits until it ends by itself: the
    /// videos in the order of the files, and the exit code.
    ///
    /// # Panics
    ///
    /// It does not end in time, or did not get every file accepted.
    #[must_use]
    pub fn submit_and_wait(
        &self,
        files: &[PathBuf],
        profile: &str,
        at_most: Duration,
    ) -> (Vec<Value>, Option<i32>) {
        let open = |name| {
            let path = self.folder().join(name);
            (File::create(&path).unwrap_or_else(|error| panic!("{error}")), path)
        };
        let ((out, said), (err, complained)) = (open("submit.out"), open("submit.err"));
        let mut child = command()
            .args(["submit", "--wait", "--json", "--profile", profile, "--"])
            .args(files)
            .env("REELFLEET_DATA", self.data())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|error| panic!("reelfleet cannot be started: {error}"));
        let until = Instant::now() + at_most;
        let status = loop {
            if let Ok(Some(status)) = child.try_wait() {
                break status;
            }
            if Instant::now() > until {
                let _ = child.kill();
                let _ = child.wait();
                panic!("submit --wait hangs: {:?}", self.unfinished());
            }
            pause();
        };
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let videos: Vec<Value> = serde_json::from_str(&read(said)).unwrap_or_default();
        assert_eq!(videos.len(), files.len(), "{status}: {}", read(complained));
        (videos, status.code())
    }

    /// Titles of the videos that are not final.
    #[must_use]
    pub fn unfinished(&self) -> Vec<String> {
        let of = |status: &str| {
            let path = format!("/api/videos?limit=100&status={status}");
            let page = self.client().call("GET", &path).map(|page| page.json).unwrap_or_default();
            let videos = page["videos"].as_array().cloned().unwrap_or_default();
            videos.iter().map(|video| format!("{} {status}", video["title"])).collect::<Vec<_>>()
        };
        [of("queued"), of("processing")].concat()
    }

    /// Nothing is left of work that is over: no ffmpeg, no temporary file, no panic in the log.
    ///
    /// # Panics
    ///
    /// Something is.
    pub fn assert_clean(&self) {
        let soon = Duration::from_secs(30);
        crate::wait_for("no ffmpeg", soon, || self.ffmpegs().is_empty().then_some(()));
        let mut left = Vec::new();
        let until = Instant::now() + soon;
        while Instant::now() < until {
            left = self.leftovers();
            if left.is_empty() {
                break;
            }
            pause();
        }
        assert!(left.is_empty(), "left: {left:?}");
        let log = self.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// Seconds from a video's start to its end.
#[must_use]
pub fn took_s(video: &Value) -> f64 {
    let of = |name: &str| -> Option<f64> {
        let (_, time) = video[name].as_str()?.split_once('T')?;
        let mut parts = time.trim_end_matches('Z').split(':').map(str::parse::<f64>);
        let mut next = || parts.next()?.ok();
        Some(next()? * 3600.0 + next()? * 60.0 + next()?)
    };
    let (Some(began), Some(ended)) = (of("started_at"), of("finished_at")) else { return 0.0 };
    (ended - began).rem_euclid(86_400.0)
}
