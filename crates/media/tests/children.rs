//! Children that misbehave: killed, and nothing left behind.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use reelfleet_media::{
    Error, Profiles, RunReport, SandboxMode, ToolSettings, plan, probe, run, verify,
};
use rustix::process::Signal;
use support::{Bench, fake, fake_probe, found, gone, run_with};

const CLIP: &str = "-f lavfi -i testsrc2=s=320x240:r=25:d=1 -c:v mpeg4";

#[tokio::test]
async fn a_child_that_hangs_or_forks_is_killed_when_it_makes_no_progress() {
    for sandbox in [SandboxMode::Require, SandboxMode::Off] {
        let mut bench = Bench::new();
        bench.limits.stall = Duration::from_millis(300);
        let name = format!("fake-hang-{sandbox:?}");
        // A fork in the background, and a parent that ignores SIGTERM.
        let body = format!("trap '' TERM\nsh -c 'sleep 3600; : {name}' & sleep 3600; : {name}");
        let tools = fake(&bench, &name, &body, sandbox);
        let dir = bench.job(&bench.clip("a.avi", CLIP));
        let started = Instant::now();
        let err = run_with(&bench, &tools, &dir).await.expect_err("it hangs");
        assert!(matches!(err, Error::Failed(_)), "{err}");
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        gone(&name).await;
        dir.remove().expect("removal");
    }
}

#[tokio::test]
async fn a_child_that_never_ends_is_killed_by_the_wall_clock() {
    let mut bench = Bench::new();
    bench.limits.wall_max = Duration::from_millis(500);
    let tools = fake(
        &bench,
        "fake-wall",
        "while :; do echo 'frame=1 size=0kB time=00:00:0'$((i=i+1))'.00 bitrate=1kbits/s speed=1x' >&2; done",
        SandboxMode::Auto,
    );
    let dir = bench.job(&bench.clip("a.avi", CLIP));
    let err = run_with(&bench, &tools, &dir).await.expect_err("it never ends");
    assert!(matches!(err, Error::Failed(_)), "{err}");
    gone("fake-wall").await;
    dir.remove().expect("removal");
}

#[tokio::test]
async fn a_source_that_makes_ffprobe_spin_is_refused_and_one_that_waits_is_tried_again() {
    for sandbox in [SandboxMode::Require, SandboxMode::Off] {
        let mut bench = Bench::new();
        bench.limits.probe_cpu = Duration::from_secs(1);
        let dir = bench.job(&bench.file("a", b"x"));
        let tools = fake_probe(&bench, "fake-spin", "while :; do :; done", sandbox);
        let ended = probe(&tools, &dir, &bench.limits, &bench.stop).await;
        assert!(
            matches!(&ended, Err(Error::Rejected(reason)) if reason.code == "too_slow"),
            "{sandbox:?}: {ended:?}"
        );
        bench.limits.probe_wall = Duration::from_millis(300);
        let tools = fake_probe(&bench, "fake-wait", "sleep 3600; : fake-wait", sandbox);
        let ended = probe(&tools, &dir, &bench.limits, &bench.stop).await;
        assert!(matches!(ended, Err(Error::Failed(_))), "{sandbox:?}: {ended:?}");
        gone("fake-wait").await;
        dir.remove().expect("removal");
    }
}

#[tokio::test]
async fn floods_on_both_outputs_are_bounded_and_the_end_is_still_understood() {
    let bench = Bench::new();
    let body = "head -c 200000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo '[error] No space left on device' >&2; head -c 1000000 /dev/zero; exit 1";
    let tools = fake(&bench, "fake-flood", body, SandboxMode::Off);
    let dir = bench.job(&bench.clip("a.avi", CLIP));
    let err = run_with(&bench, &tools, &dir).await.expect_err("it fails");
    assert!(matches!(&err, Error::Failed(why) if why.contains("disk")), "{err}");
    gone("fake-flood").await;
    dir.remove().expect("removal");
}

#[tokio::test]
async fn the_way_a_child_ends_decides_whose_fault_it_was() {
    let bench = Bench::new();
    for (name, body, expect) in [
        ("fake-oom", "kill -KILL $$", "failed"),
        ("fake-term", "kill -TERM $$", "failed"),
        ("fake-segv", "kill -SEGV $$", "undecodable"),
        ("fake-xfsz", "kill -XFSZ $$", "output_too_large"),
        ("fake-told", "exit 255", "failed"),
        ("fake-memory", "echo '[error] Cannot allocate memory' >&2; exit 1", "too_much_memory"),
        ("fake-error", "echo '[error] Invalid data found' >&2; exit 1", "undecodable"),
    ] {
        // In the sandbox a script is its namespace's first process, which no
        // signal of its own can kill.
        let kills_itself = body.starts_with("kill");
        for sandbox in [SandboxMode::Off, SandboxMode::Require] {
            if kills_itself && sandbox == SandboxMode::Require {
                continue;
            }
            let tools = fake(&bench, name, body, sandbox);
            let dir = bench.job(&bench.clip("a.avi", CLIP));
            let got = match run_with(&bench, &tools, &dir).await.expect_err("it fails") {
                Error::Rejected(reason) => reason.code,
                Error::Failed(_) => "failed",
                Error::Stopped => "stopped",
            };
            assert_eq!(got, expect, "{name} {sandbox:?}");
            dir.remove().expect("removal");
        }
    }
}

#[tokio::test]
async fn a_picture_beyond_the_memory_limit_is_too_much_memory_in_every_confinement() {
    let mut bench = Bench::new();
    // Its frame takes 256 MB.
    let clip = bench.clip(
        "large.mkv",
        "-f lavfi -i color=gray:s=8000x4000:r=1:d=1 -c:v png -compression_level 1 -pix_fmt rgba64be",
    );
    for (sandbox, memory, expect) in [
        (SandboxMode::Require, 450 << 20, "too_much_memory"),
        (SandboxMode::Off, 450 << 20, "too_much_memory"),
        (SandboxMode::Require, 6 << 30, "it ran"),
    ] {
        let tools = found(&ToolSettings { sandbox, ..ToolSettings::default() });
        bench.limits.memory = memory;
        let dir = bench.job(&clip);
        let ended = match run_with(&bench, &tools, &dir).await {
            Ok(()) => "it ran",
            Err(Error::Rejected(reason)) => reason.code,
            Err(other) => panic!("{sandbox:?}: {other}"),
        };
        assert_eq!(ended, expect, "{memory} bytes, {sandbox:?}");
        dir.remove().expect("removal");
    }
}

#[tokio::test]
async fn an_ffmpeg_that_someone_else_tells_to_end_is_tried_again() {
    for sandbox in [SandboxMode::Require, SandboxMode::Off] {
        let bench = Bench::new();
        let (ffmpeg, tools) = bench.own_ffmpeg(sandbox);
        let dir = bench.job(&bench.long_clip());
        let source = probe(&tools, &dir, &bench.limits, &bench.stop).await.expect("a video");
        let profiles = Profiles::builtin();
        let plan = plan(&source, profiles.get("web").expect("web"), 1, &bench.limits);
        let mut told = false;
        let running = run(&tools, &plan, &dir, &bench.limits, &bench.stop, move |_| {
            // Once, to all of them: as systemd does to a service that is stopped.
            if !std::mem::replace(&mut told, true) {
                support::signal(&ffmpeg, Signal::TERM);
            }
        });
        let ended = running.await;
        assert!(matches!(ended, Err(Error::Failed(_))), "{sandbox:?}: {ended:?}");
        dir.remove().expect("removal");
    }
}

#[tokio::test]
async fn an_output_beyond_its_limit_is_too_large_in_every_confinement() {
    for sandbox in [SandboxMode::Require, SandboxMode::Off] {
        let mut bench = Bench::new();
        bench.limits.file_size = 20_000;
        let settings = ToolSettings { sandbox, ..ToolSettings::default() };
        bench.tools = Arc::new(found(&settings));
        let file = bench.clip("a.avi", CLIP);
        assert_eq!(bench.verdict(&file, "web").await, "output_too_large", "{sandbox:?}");
    }
}

/// A real transcode that takes long enough to be interrupted, in a directory
/// whose path names its processes.
async fn interrupted(bench: &Arc<Bench>, how: &str) {
    let clip =
        bench.clip("long.mkv", "-f lavfi -i testsrc2=s=1280x720:r=60:d=20 -c:v mpeg4 -q:v 3");
    let dir = bench.job(&clip);
    let needle = dir.path().display().to_string();
    let profiles = Profiles::builtin();
    let source = probe(&bench.tools, &dir, &bench.limits, &bench.stop).await.expect("a video");
    let plan = plan(&source, profiles.get("web").expect("web"), 1, &bench.limits);
    let (tx, mut started) = tokio::sync::mpsc::unbounded_channel();
    let stop = bench.stop.clone();
    let running = run(&bench.tools, &plan, &dir, &bench.limits, &stop, move |progress| {
        let _ = tx.send(progress.fraction);
    });
    let mut running = Box::pin(running);
    tokio::select! {
        _ = &mut running => panic!("it ended before it was interrupted"),
        seen = started.recv() => assert!(seen.is_some_and(|fraction| fraction < 1.0)),
    }
    if how == "stop" {
        bench.stop.cancel();
        let asked = Instant::now();
        assert!(matches!((&mut running).await, Err(Error::Stopped)));
        assert!(asked.elapsed() < Duration::from_secs(5));
        assert!(support::processes(&needle).is_empty(), "gone when it returns");
    }
    drop(running);
    gone(&needle).await;
    dir.remove().expect("removal");
}

#[tokio::test]
async fn the_stop_token_ends_a_transcode_and_leaves_no_process() {
    interrupted(&Arc::new(Bench::new()), "stop").await;
}

#[tokio::test]
async fn dropping_a_run_kills_its_child() {
    let bench = Bench::new();
    let tools = fake(&bench, "fake-dropped", "sleep 3600; : fake-dropped", SandboxMode::Auto);
    let dir = bench.job(&bench.clip("a.avi", CLIP));
    let given_up =
        tokio::time::timeout(Duration::from_millis(700), run_with(&bench, &tools, &dir)).await;
    assert!(given_up.is_err(), "it was dropped while running");
    gone("fake-dropped").await;
    dir.remove().expect("removal");
}

#[tokio::test]
async fn a_stop_before_the_start_starts_nothing_that_stays() {
    let bench = Bench::new();
    let dir = bench.job(&bench.clip("a.avi", CLIP));
    bench.stop.cancel();
    let ended = probe(&bench.tools, &dir, &bench.limits, &bench.stop).await;
    assert!(matches!(ended, Err(Error::Stopped)));
    gone(&dir.path().display().to_string()).await;
    dir.remove().expect("removal");
}

#[tokio::test]
async fn a_run_that_says_success_but_leaves_rubbish_is_refused() {
    let bench = Bench::new();
    let dir = bench.job(&bench.clip("a.avi", CLIP));
    let source = probe(&bench.tools, &dir, &bench.limits, &bench.stop).await.expect("a video");
    let profiles = Profiles::builtin();
    let plan = plan(&source, profiles.get("web").expect("web"), 1, &bench.limits);
    let report = RunReport::default();
    let verdict =
        async || match verify(&bench.tools, &plan, &report, &dir, &bench.limits, &bench.stop).await
        {
            Err(Error::Rejected(reason)) => reason.code,
            other => panic!("{other:?}"),
        };
    assert_eq!(verdict().await, "undecodable", "nothing there");
    let video = dir.out().join("video.mp4");
    std::fs::write(&video, b"").expect("file");
    assert_eq!(verdict().await, "undecodable", "an empty file");
    std::fs::write(&video, b"not an mp4 at all, by any means").expect("file");
    assert_eq!(verdict().await, "output_mismatch", "garbage");
    std::fs::remove_file(&video).expect("removal");
    std::os::unix::fs::symlink("/etc/passwd", &video).expect("a link");
    assert_eq!(verdict().await, "undecodable", "a link is never followed");
    dir.remove().expect("removal");
}
