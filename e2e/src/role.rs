//! One process of a fleet that is deployed: `reelfleet api`, or `reelfleet worker`.

use std::{
    fs::OpenOptions,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;

use crate::{fleet::command, processes, settings, wait_for};

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub struct Role {
    /// Of a worker: the id of this run.
    pub id: String,
    child: Child,
}

impl Role {
    /// What starts it: a word and its settings. What it says is added to `log`.
    ///
    /// # Panics
    ///
    /// The log cannot be written, or a setting is none.
    #[must_use]
    pub fn command(word: &str, settings: &[(String, String)], log: &Path) -> Command {
        settings::check(settings.iter().map(|(name, _)| &**name));
        let log = OpenOptions::new().create(true).append(true).open(log);
        let log = log.unwrap_or_else(|error| panic!("{error}"));
        let mut command = command();
        command
            .arg(word)
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command
    }

    /// Starts it, under an id of its own.
    ///
    /// # Panics
    ///
    /// It cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let id = uuid::Uuid::now_v7().to_string();
        let child = command.env("REELFLEET_WORKER_ID", &id).spawn();
        Self { id, child: child.unwrap_or_else(|error| panic!("{error}")) }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        processes::signal(self.pid(), signal);
    }

    /// Whether an ffmpeg of its is at work.
    #[must_use]
    pub fn encodes(&self) -> bool {
        encodes(self.pid())
    }

    /// Whether it has ended, and with which code. None in it: a signal ended it.
    ///
    /// # Panics
    ///
    /// The system does not tell.
    pub fn ended(&mut self) -> Option<Option<i32>> {
        let status = self.child.try_wait().unwrap_or_else(|error| panic!("{error}"));
        status.map(|status| status.code())
    }

    /// Waits for its end; the exit code.
    pub fn wait_end(&mut self, at_most: Duration) -> Option<i32> {
        wait_for("a process to end", at_most, || self.ended())
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // Not by its id, which may be another's by now if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether an ffmpeg below a process is at work.
#[must_use]
pub fn encodes(pid: i32) -> bool {
    processes::descendants(pid).iter().any(|child| child.name == "ffmpeg" && !child.zombie)
}
