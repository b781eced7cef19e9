//! The fleet over the same clips.

use std::path::Path;

use reelfleet_e2e::{Fleet, processes, wait_for};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    Result,
    bare::Build,
    measured::{Cost, Measured, processor_seconds},
};

/// Milliseconds since midnight-independent zero of an RFC 3339 time of the API.
fn millis(time: &Value) -> Result<i64> {
    let text = time.as_str().ok_or("no time")?;
    let moment: jiff::Timestamp = text.parse()?;
    Ok(moment.as_millisecond())
}

fn job(fleet: &Fleet, video: &str) -> Result<Value> {
    let job = fleet.video(video)["job"].as_str().unwrap_or_default().to_owned();
    Ok(fleet.client().call("GET", &format!("/api/jobs/{job}"))?.json)
}

/// A fleet that stands by between its batches.
pub(crate) struct Ours {
    fleet: Fleet,
    workers: Vec<i32>,
}

impl Ours {
    /// Starts so many workers of an ffmpeg, each with so many threads a transcode.
    pub(crate) fn start(workers: u32, threads: u32, build: Build<'_>) -> Ours {
        let number = workers.to_string();
        let fleet = Fleet::start(
            &["--min", &number, "--max", &number],
            &[
                ("FFMPEG_THREADS", &threads.to_string()),
                ("REELFLEET_LOG", "warn"),
                ("FFMPEG", build.path.unwrap_or_default()),
            ],
        );
        wait_for("the workers", std::time::Duration::from_secs(60), || {
            let seen = fleet.client().call("GET", "/api/admin/workers").ok()?.json;
            (seen["workers"].as_array()?.len() == workers as usize).then_some(())
        });
        let workers = fleet.workers();
        Ours { fleet, workers }
    }

    /// Transcodes `count` copies; from the first claim to the last row closed.
    ///
    /// The workers stand still while the queue is filled, so that the uploads are not measured.
    pub(crate) fn batch(&self, clip: &Path, count: usize) -> Result<Cost> {
        let all = |signal| self.workers.iter().for_each(|pid| processes::signal(*pid, signal));
        let mut videos = vec![self.first(clip, &all)?];
        videos.extend((1..count).map(|_| self.fleet.submit(clip, "web")));
        let before = processor_seconds()?;
        all(Signal::CONT);
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for video in &videos {
            let done = self.watch(video);
            if done["status"] != "ready" {
                return Err(format!("{done}").into());
            }
        }
        let processor = processor_seconds()? - before;
        for video in &videos {
            let job = job(&self.fleet, video)?;
            first = first.min(millis(&job["started_at"])?);
            last = last.max(millis(&job["finished_at"])?);
        }
        Ok(Cost { wall: (last - first) as f64 / 1000.0, processor })
    }

    /// Stops the workers and submits the first video. A worker that was stopped while it wrote
    /// to the database keeps everybody else from it: then they are stopped again, elsewhere.
    fn first(&self, clip: &Path, all: &impl Fn(Signal)) -> Result<String> {
        loop {
            all(Signal::STOP);
            let answer = self.fleet.client().upload(clip, "profile=web")?;
            if answer.status == 202 {
                return Ok(answer.json["id"].as_str().unwrap_or_default().to_owned());
            }
            all(Signal::CONT);
            reelfleet_e2e::pause();
        }
    }

    /// Waits for a video's end. Looking more often would be work that is not the fleet's.
    fn watch(&self, video: &str) -> Value {
        loop {
            let seen = self.fleet.video(video);
            if !matches!(seen["status"].as_str(), Some("queued" | "processing")) {
                return seen;
            }
            #[expect(clippy::disallowed_methods, reason = "the pause between two looks")]
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    }
}

/// Time from `queued` to `running`, one job after the other on an idle fleet, milliseconds.
pub(crate) fn pick_up(clip: &Path, count: usize) -> Result<Measured> {
    let fleet = Fleet::start(&["--min", "1", "--max", "1"], &[("REELFLEET_LOG", "warn")]);
    let mut measured = Measured::new("pick-up");
    for _ in 0..count {
        let video = fleet.submit(clip, "web");
        let _ = fleet.wait_final(&video);
        let job = job(&fleet, &video)?;
        measured.add((millis(&job["started_at"])? - millis(&job["created_at"])?) as f64);
    }
    Ok(measured)
}
