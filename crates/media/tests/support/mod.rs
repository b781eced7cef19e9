//! What the tests against a real ffmpeg share.
#![expect(dead_code, reason = "each test binary uses its own part")]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use reelfleet_media::{
    Error, FileKind, JobDir, Limits, Output, Profiles, SandboxMode, ToolSettings, Tools, Transcode,
    plan, probe, run,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A temporary place with one job directory in it.
pub(crate) struct Bench {
    pub(crate) temp: TempDir,
    pub(crate) tools: Arc<Tools>,
    pub(crate) limits: Limits,
    pub(crate) stop: CancellationToken,
    next: AtomicU32,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let tools = found(&ToolSettings::default());
        if let Some(sentence) = tools.degraded() {
            // Straight to the descriptor: libtest would swallow a captured print.
            let _ = writeln!(std::io::stderr(), "MISSING: {sentence}");
        }
        Bench {
            temp: tempfile::tempdir().expect("temporary directory"),
            tools: Arc::new(tools),
            limits: Limits::default(),
            stop: CancellationToken::new(),
            next: AtomicU32::new(0),
        }
    }

    /// A job directory whose input is a copy of `file`.
    pub(crate) fn job(&self, file: &Path) -> JobDir {
        let name = format!("job-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let dir = JobDir::create(self.temp.path(), &name).expect("job directory");
        std::fs::copy(file, dir.input()).expect("input");
        dir
    }

    /// A clip made by ffmpeg's `args`, named `name`.
    pub(crate) fn clip(&self, name: &str, args: &str) -> PathBuf {
        let path = self.temp.path().join(name);
        generate(args, &path);
        path
    }

    /// A clip that is made at once and takes minutes to transcode.
    pub(crate) fn long_clip(&self) -> PathBuf {
        let short = self.clip("s.avi", "-f lavfi -i color=gray:s=1920x1080:r=30:d=5 -c:v mpeg4");
        self.clip("long.avi", &format!("-stream_loop 119 -i {} -c copy", short.display()))
    }

    /// An ffmpeg at a path that is in no other process's command line: the path and the programs.
    pub(crate) fn own_ffmpeg(&self, sandbox: SandboxMode) -> (String, Tools) {
        let path = self.temp.path().join("ffmpeg-of-its-own");
        std::fs::copy("/usr/bin/ffmpeg", &path).expect("an ffmpeg");
        let path = path.canonicalize().expect("a path");
        let ffprobe = Some(PathBuf::from("/usr/bin/ffprobe"));
        let name = path.display().to_string();
        (name, found(&ToolSettings { ffmpeg: Some(path), ffprobe, sandbox }))
    }

    /// A file of these bytes.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.temp.path().join(name);
        std::fs::write(&path, bytes).expect("file");
        path
    }

    pub(crate) async fn transcode(&self, dir: &JobDir, profile: &str) -> Result<Output, Error> {
        let profiles = Profiles::builtin();
        let transcode = Transcode {
            tools: &self.tools,
            profile: profiles.get(profile).expect("a built-in profile"),
            threads: 2,
            limits: &self.limits,
            stop: &self.stop,
        };
        transcode.run(dir, |_| {}).await
    }

    /// Transcodes and hands the output to `look` while it is still there.
    pub(crate) async fn ready<T>(
        &self,
        file: &Path,
        profile: &str,
        look: impl FnOnce(&Output) -> T,
    ) -> T {
        let dir = self.job(file);
        let output = self.transcode(&dir, profile).await.expect("the video is ready");
        let seen = look(&output);
        dir.remove().expect("removal");
        seen
    }

    /// The code a file is rejected with, or how else it ended.
    pub(crate) async fn verdict(&self, file: &Path, profile: &str) -> String {
        let dir = self.job(file);
        let verdict = match self.transcode(&dir, profile).await {
            Ok(_) => "ready".to_owned(),
            Err(Error::Rejected(reason)) => reason.code.to_owned(),
            Err(Error::Failed(why)) => format!("failed: {why}"),
            Err(Error::Stopped) => "stopped".to_owned(),
        };
        dir.remove().expect("removal");
        verdict
    }
}

/// The programs, or why a test cannot do without them.
pub(crate) fn found(settings: &ToolSettings) -> Tools {
    let found = Tools::find(settings);
    found.unwrap_or_else(|err| panic!("{err}; `make test` installs what the tests need"))
}

/// A tool set whose ffmpeg is a shell script with a recognisable name.
pub(crate) fn fake(bench: &Bench, name: &str, body: &str, sandbox: SandboxMode) -> Tools {
    let path: PathBuf = bench.temp.path().join(name);
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = -version ]; then echo 'ffmpeg version 9.9'; echo 'configuration: --enable-libx264 --enable-libzimg'; exit 0; fi\n{body}\n"
    );
    std::fs::write(&path, script).expect("script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let ffprobe = Some(PathBuf::from("/usr/bin/ffprobe"));
    found(&ToolSettings { ffmpeg: Some(path), ffprobe, sandbox })
}

/// A tool set whose ffprobe is a shell script.
pub(crate) fn fake_probe(bench: &Bench, name: &str, body: &str, sandbox: SandboxMode) -> Tools {
    let path: PathBuf = bench.temp.path().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    found(&ToolSettings { ffprobe: Some(path), sandbox, ..ToolSettings::default() })
}

/// Runs the ffmpeg of `tools` on a job that the usual ffprobe has looked at.
pub(crate) async fn run_with(bench: &Bench, tools: &Tools, dir: &JobDir) -> Result<(), Error> {
    let source = probe(&bench.tools, dir, &Limits::default(), &bench.stop).await?;
    let profiles = Profiles::builtin();
    let plan = plan(&source, profiles.get("web").expect("web"), 1, &bench.limits);
    run(tools, &plan, dir, &bench.limits, &bench.stop, |_| {}).await.map(|_| ())
}

/// A program the tests themselves run.
#[expect(clippy::disallowed_methods, reason = "tests make their own clips and mounts")]
pub(crate) fn tool(name: &str) -> Command {
    Command::new(name)
}

/// Runs ffmpeg on `args` to make `path`.
pub(crate) fn generate(args: &str, path: &Path) {
    let done = tool("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-threads", "2"])
        .args(args.split_whitespace())
        .arg(path)
        .output()
        .expect("ffmpeg starts");
    assert!(done.status.success(), "{args}: {}", String::from_utf8_lossy(&done.stderr));
}

/// One value ffprobe prints about a file.
pub(crate) fn fact(path: &Path, stream: &str, entry: &str) -> String {
    let mut command = tool("ffprobe");
    command.args(["-v", "error", "-of", "default=nk=1:nw=1", "-show_entries", entry]);
    if !stream.is_empty() {
        command.args(["-select_streams", stream]);
    }
    let done = command.arg(path).output().expect("ffprobe starts");
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// The path of the only output of this kind.
pub(crate) fn only(output: &Output, kind: FileKind) -> &Path {
    let mut files = output.files.iter().filter(|file| file.kind == kind);
    let file = files.next().expect("one of this kind");
    assert!(files.next().is_none(), "more than one {kind:?}");
    &file.path
}

/// The corpus beside the repository, if this machine has it.
pub(crate) fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/media/files");
    path.is_dir().then_some(path)
}

/// Live processes whose command line contains `needle`.
pub(crate) fn processes(needle: &str) -> Vec<String> {
    running(needle).into_iter().map(|(_, line)| line).collect()
}

/// Sends them a signal: to ffmpeg, if `needle` is its path, and to what is wrapped around it.
pub(crate) fn signal(needle: &str, signal: Signal) {
    for pid in running(needle).into_iter().filter_map(|(pid, _)| Pid::from_raw(pid)) {
        let _ = kill_process(pid, signal);
    }
}

fn running(needle: &str) -> Vec<(i32, String)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter_map(|(pid, path)| Some((pid, std::fs::read(path.join("cmdline")).ok()?)))
        .map(|(pid, line)| (pid, String::from_utf8_lossy(&line).replace('\0', " ")))
        .filter(|(_, line)| line.contains(needle))
        .collect()
}

/// Waits until no process mentions `needle`; at most ten seconds.
pub(crate) async fn gone(needle: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !processes(needle).is_empty() {
        assert!(std::time::Instant::now() < deadline, "still there: {:?}", processes(needle));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
