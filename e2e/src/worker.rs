//! One `reelfleet worker` on one instance. Whatever goes wrong here panics.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::OpenOptions,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{command, processes, settings, wait_for};

/// A worker process.
#[derive(Debug)]
pub struct Worker {
    /// The instance that it runs on.
    pub instance: String,
    /// The id of this run.
    pub id: String,
    child: Child,
}

impl Worker {
    /// Starts one with these settings, whose log is appended to a file.
    pub fn start(instance: &str, settings: &[(String, String)], log: PathBuf) -> Self {
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

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Tells it to leave, or kills it.
    pub fn signal(&self, signal: Signal) {
        processes::signal(self.pid(), signal);
    }

    /// As a service manager does that ends everything of a service at once.
    pub fn signal_everything(&self, signal: Signal) {
        let below = processes::descendants(self.pid());
        let _ = kill_process_group(Pid::from_raw(self.pid()).unwrap(), signal);
        for process in below {
            processes::signal(process.pid, signal);
        }
    }

    /// Whether an ffmpeg of its is at work.
    pub fn encodes(&self) -> bool {
        encodes(self.pid())
    }

    /// Whether it has ended, and with which code. None in it: a signal ended it.
    pub fn ended(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().unwrap().map(|status| status.code())
    }

    /// Waits for its end; the exit code.
    pub fn wait_end(&mut self, at_most: Duration) -> Option<i32> {
        wait_for("a worker to end", at_most, || self.ended())
    }
}

/// Whether an ffmpeg below a process is at work.
pub fn encodes(pid: i32) -> bool {
    processes::descendants(pid).iter().any(|child| child.name == "ffmpeg" && !child.zombie)
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}
