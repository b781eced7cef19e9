//! One `reelfleet worker` on one instance.

use std::{
    fs::OpenOptions,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use reelfleet_e2e::{command, processes, settings, wait_for};
use rustix::process::{Pid, Signal, kill_process_group};

/// A worker process.
#[derive(Debug)]
pub(crate) struct Worker {
    /// The instance that it runs on.
    pub(crate) instance: String,
    /// The id of this run.
    pub(crate) id: String,
    child: Child,
}

impl Worker {
    pub(crate) fn start(instance: &str, settings: &[(String, String)], log: PathBuf) -> Self {
        settings::check(settings.iter().map(|(name, _)| &**name));
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let id = uuid::Uuid::now_v7().to_string();
        let child = command()
            .arg("worker")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .env("REELFLEET_WORKER_ID", &id)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        Self { instance: instance.to_owned(), id, child }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        processes::signal(self.pid(), signal);
    }

    /// As a service manager does that ends everything of a service at once.
    pub(crate) fn signal_everything(&self, signal: Signal) {
        let below = processes::descendants(self.pid());
        let _ = kill_process_group(Pid::from_raw(self.pid()).unwrap(), signal);
        for process in below {
            processes::signal(process.pid, signal);
        }
    }

    /// Whether an ffmpeg of its is at work.
    pub(crate) fn encodes(&self) -> bool {
        encodes(self.pid())
    }

    /// Whether it has ended, and with which code. None in it: a signal ended it.
    pub(crate) fn ended(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().unwrap().map(|status| status.code())
    }

    /// Waits for its end; the exit code.
    pub(crate) fn wait_end(&mut self, at_most: Duration) -> Option<i32> {
        wait_for("a worker to end", at_most, || self.ended())
    }
}

/// Whether an ffmpeg below a process is at work.
pub(crate) fn encodes(pid: i32) -> bool {
    processes::descendants(pid).iter().any(|child| child.name == "ffmpeg" && !child.zombie)
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}
