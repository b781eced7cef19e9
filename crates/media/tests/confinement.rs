//! What a program that took over ffmpeg could do: nothing beyond its job. The same program does
//! all of it without the sandbox, so none of these tests can pass by doing nothing.

mod support;

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use reelfleet_media::{SandboxMode, probe};
use support::{Bench, fake, fake_probe, run_with};

const CLIP: &str = "-f lavfi -i testsrc2=s=64x64:r=25:d=1 -c:v mpeg4";

/// What is tried.
const ALL: &str = " read write spoil connect see kill";

/// Under each confinement: what works, and what of it leaves traces outside.
const CASES: [(SandboxMode, &str, &str); 2] =
    [(SandboxMode::Require, "", ""), (SandboxMode::Off, ALL, " write spoil connect")];

/// Everything outside of a job that a program could reach for.
struct Outside {
    secret: PathBuf,
    planted: PathBuf,
    listener: TcpListener,
    /// Another process: it lives until it is killed or we are gone.
    victim: Child,
}

impl Outside {
    fn new(bench: &Bench) -> Outside {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let victim = support::tool("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("cat starts");
        let secret = bench.file("secret", b"a neighbour's video");
        Outside { secret, planted: bench.temp.path().join("planted"), listener, victim }
    }

    /// A script that tries everything and leaves in `$found` what it could do.
    fn attempts(&self) -> String {
        let (secret, planted) = (self.secret.display(), self.planted.display());
        let port = self.listener.local_addr().expect("address").port();
        let victim = self.victim.id();
        // Files are opened only: ffprobe may not write a single byte anyway.
        format!(
            "found=
             try() {{ word=$1; shift; if \"$@\" >/dev/null 2>&1; then found=\"$found $word\"; fi; }}
             try read cat {secret}
             try write sh -c ': > {planted}'
             try spoil sh -c ': > in'
             try connect bash -c ': <> /dev/tcp/127.0.0.1/{port}'
             try see grep -q cat /proc/{victim}/comm
             try kill kill -KILL {victim}\n"
        )
    }

    /// What it did, by the traces it left here.
    fn traces(&mut self, input: &[u8]) -> String {
        let traces = [
            ("write", self.planted.exists()),
            ("spoil", input.is_empty()),
            ("connect", self.listener.accept().is_ok()),
        ];
        let left = traces.iter().filter(|(_, seen)| *seen).map(|(word, _)| format!(" {word}"));
        left.collect()
    }

    fn victim_lives(&mut self) -> bool {
        self.victim.try_wait().expect("a status").is_none()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
    }
}

#[tokio::test]
async fn what_runs_as_ffmpeg_reaches_nothing_outside_its_job() {
    for (sandbox, can, left) in CASES {
        let bench = Bench::new();
        let mut outside = Outside::new(&bench);
        let body = format!("{}echo \"$found\" > out/found", outside.attempts());
        let tools = fake(&bench, "fake-taken", &body, sandbox);
        let dir = bench.job(&bench.clip("a.avi", CLIP));
        run_with(&bench, &tools, &dir).await.expect("it ends well");
        let found = std::fs::read_to_string(dir.out().join("found")).expect("what it could do");
        assert_eq!(found.trim_end_matches('\n'), can, "{sandbox:?}");
        let input = std::fs::read(dir.input()).expect("the input");
        assert_eq!(outside.traces(&input), left, "{sandbox:?}");
        assert!(can == ALL || outside.victim_lives());
        dir.remove().expect("removal");
    }
}

#[tokio::test]
async fn what_runs_as_ffprobe_reaches_nothing_outside_its_job() {
    for (sandbox, can, left) in CASES {
        let bench = Bench::new();
        let mut outside = Outside::new(&bench);
        // It can say something only as a fact about the video.
        let body = format!(
            "{}echo '{{\"streams\": [{{\"codec_type\": \"video\", \"codec_name\": \"h264\", \"width\": 64, \
             \"height\": 64, \"profile\": \"'\"$found\"'\"}}]}}'",
            outside.attempts()
        );
        let tools = fake_probe(&bench, "fake-taken", &body, sandbox);
        let dir = bench.job(&bench.file("a", b"a video"));
        let source = probe(&tools, &dir, &bench.limits, &bench.stop).await.expect("an answer");
        assert_eq!(source.video.profile, can, "{sandbox:?}");
        let input = std::fs::read(dir.input()).expect("the input");
        assert_eq!(outside.traces(&input), left, "{sandbox:?}");
        assert!(can == ALL || outside.victim_lives());
        dir.remove().expect("removal");
    }
}

#[tokio::test]
async fn memory_beyond_the_limit_is_refused_to_whatever_runs() {
    for sandbox in [SandboxMode::Require, SandboxMode::Off] {
        let mut bench = Bench::new();
        // dd takes its whole buffer at once.
        let body = "if dd if=/dev/null of=/dev/null bs=512M count=1; then echo yes; else echo no; fi > out/got";
        let tools = fake(&bench, "fake-dd", body, sandbox);
        let clip = bench.clip("a.avi", CLIP);
        for (memory, got) in [(256 << 20, "no\n"), (2 << 30, "yes\n")] {
            let dir = bench.job(&clip);
            bench.limits.memory = memory;
            run_with(&bench, &tools, &dir).await.expect("it ends well");
            let said = std::fs::read_to_string(dir.out().join("got")).expect("what it got");
            assert_eq!(said, got, "{memory} bytes, {sandbox:?}");
            dir.remove().expect("removal");
        }
    }
}
