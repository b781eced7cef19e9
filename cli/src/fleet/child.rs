//! One worker as a child process.

use std::{
    path::PathBuf,
    process::{ExitStatus, Stdio},
};

use reelfleet_job::WorkerId;
use reelfleet_worker::Tally;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::AsyncReadExt,
    process::{Child as Process, ChildStdin, Command},
    time::Instant,
};

use super::{PARENT, WORKER_ID};

/// What a worker is started with.
pub(super) type Environment = Vec<(&'static str, String)>;

/// This executable, also after an upgrade has replaced its file: a fleet is of one version.
fn executable() -> std::io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    Ok(if path.exists() { path } else { PathBuf::from("/proc/self/exe") })
}

/// A worker process of this group.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) id: WorkerId,
    pub(super) started: Instant,
    /// It was told to leave.
    pub(super) leaving: bool,
    process: Process,
    /// Ends when this process does, whatever kills it; the worker then leaves too.
    _lifeline: Option<ChildStdin>,
}

impl Child {
    /// Starts another run of this executable as a worker.
    pub(super) fn start(environment: &Environment) -> std::io::Result<Self> {
        let id = WorkerId::generate();
        #[expect(clippy::disallowed_methods, reason = "the local fleet starts its workers here")]
        let mut command = Command::new(executable()?);
        let mut process = command
            .arg("worker")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            // A worker signs nothing.
            .env_remove(reelfleet_api::JWT_SECRET.name)
            .env_remove(reelfleet_api::JWT_SECRET.file_name())
            .env(WORKER_ID.name, id.to_string())
            .env(PARENT.name, "stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own: Ctrl-C in the terminal reaches this process
            // only, which then tells the workers to drain.
            .process_group(0)
            .spawn()?;
        let lifeline = process.stdin.take();
        Ok(Self { id, started: Instant::now(), leaving: false, process, _lifeline: lifeline })
    }

    /// Tells it to drain; a second time, to stop at once.
    pub(super) fn terminate(&mut self) {
        self.leaving = true;
        self.signal(Signal::TERM);
    }

    /// Stops it whatever it does. Its ffmpeg dies with it.
    pub(super) fn kill(&mut self) {
        self.leaving = true;
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // The id is this child's as long as it was not waited for, so no stranger is hit.
        let pid = self.process.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::debug!(%error, worker.id = %self.id, "the worker is gone already");
        }
    }

    /// Whether it has ended, without waiting.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// What it did, as it said in the end; nothing if it died without a word.
    pub(super) async fn tally(&mut self) -> Tally {
        let mut said = Vec::new();
        if let Some(output) = self.process.stdout.take() {
            let _ = output.take(4096).read_to_end(&mut said).await;
        }
        serde_json::from_slice(&said).unwrap_or_default()
    }
}
