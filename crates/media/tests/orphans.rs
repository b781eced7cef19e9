//! `kill -9` of a process that runs ffmpeg: the kernel ends the ffmpeg, too.

mod support;

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use reelfleet_media::{JobDir, Limits, Profiles, SandboxMode, ToolSettings, plan, probe, run};
use rustix::process::Signal;
use support::{Bench, found, gone};
use tokio_util::sync::CancellationToken;

/// In the working directory of the process to be killed, and nowhere else: how its ffmpeg is
/// confined, and which one it is.
const ORDER: &str = "order";

/// What it transcodes.
const CLIP: &str = "clip";

/// What it makes there once its ffmpeg has written frames.
const AT_WORK: &str = "at-work";

/// The process to be killed, and its ffmpeg. Both are gone when the test is, however it ends.
struct Worker {
    process: Child,
    ffmpeg: String,
}

impl Worker {
    /// SIGKILL: nothing of its own runs any more.
    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
        support::signal(&self.ffmpeg, Signal::KILL);
    }
}

#[tokio::test]
async fn ffmpeg_dies_with_the_process_that_started_it() {
    for sandbox in [SandboxMode::Require, SandboxMode::Off] {
        let bench = Bench::new();
        let clip = bench.long_clip();
        let (ffmpeg, _) = bench.own_ffmpeg(sandbox);
        let place = bench.temp.path();
        fs::rename(&clip, place.join(CLIP)).expect("the clip");
        fs::write(place.join(ORDER), format!("{sandbox:?}\n{ffmpeg}")).expect("the order");

        let this = std::env::current_exe().expect("this test");
        let process = support::tool(&this.display().to_string())
            .args(["--exact", "one_who_dies", "--ignored", "--nocapture"])
            .current_dir(place)
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut worker = Worker { process, ffmpeg };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !place.join(AT_WORK).exists() {
            let ended = worker.process.try_wait().expect("a status");
            assert!(ended.is_none(), "{sandbox:?}: it ended by itself: {ended:?}");
            assert!(Instant::now() < deadline, "{sandbox:?}: it does not begin");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!support::processes(&worker.ffmpeg).is_empty(), "{sandbox:?}: its ffmpeg runs");
        worker.kill();
        gone(&worker.ffmpeg).await;
    }
}

/// The process that is killed: this file again, told by its working directory what to do.
#[tokio::test]
#[ignore = "no test: the one above starts and kills it"]
async fn one_who_dies() {
    let Ok(order) = fs::read_to_string(ORDER) else { return };
    let place = std::env::current_dir().expect("a place");
    let (sandbox, ffmpeg) = order.split_once('\n').expect("two lines");
    let sandbox = if sandbox == "Require" { SandboxMode::Require } else { SandboxMode::Off };
    let (ffmpeg, ffprobe) = (Some(ffmpeg.into()), Some("/usr/bin/ffprobe".into()));
    let tools = found(&ToolSettings { ffmpeg, ffprobe, sandbox });
    let dir = JobDir::create(&place, "job").expect("job directory");
    fs::rename(place.join(CLIP), dir.input()).expect("input");
    let (limits, stop) = (Limits::default(), CancellationToken::new());
    let source = probe(&tools, &dir, &limits, &stop).await.expect("a video");
    let profiles = Profiles::builtin();
    let plan = plan(&source, profiles.get("web").expect("web"), 1, &limits);
    let ended = run(&tools, &plan, &dir, &limits, &stop, move |progress| {
        assert!(progress.fraction < 0.1, "minutes of work are soon done");
        if progress.frame > 0 {
            fs::write(place.join(AT_WORK), "").expect("a sign");
        }
    });
    panic!("nobody killed it: {:?}", ended.await);
}
