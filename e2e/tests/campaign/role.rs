//! One process of the fleet, started again whenever it ended.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use reelfleet_e2e::{command, processes, wait_for};
use rustix::process::Signal;

/// A role that is to be there always, as a service manager keeps it.
#[derive(Debug)]
pub(crate) struct Role {
    words: &'static str,
    settings: Vec<(String, String)>,
    log: PathBuf,
    child: Option<Child>,
    /// Of a worker: the id of this run.
    pub(crate) id: String,
    /// It stands still: nobody kills it, and nobody starts another in its place.
    pub(crate) frozen: bool,
}

impl Role {
    pub(crate) fn new(words: &'static str, settings: Vec<(String, String)>, log: &Path) -> Self {
        let log = log.to_owned();
        let id = String::new();
        let mut role = Self { words, settings, log, child: None, id, frozen: false };
        role.start();
        role
    }

    fn start(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        // Which worker was killed is known by the id that it was given.
        self.id = uuid::Uuid::now_v7().to_string();
        let child = command()
            .args(self.words.split(' '))
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .env("REELFLEET_WORKER_ID", &self.id)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            processes::signal(child.id().cast_signed(), signal);
        }
    }

    /// `kill -9`, and a new one.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
        self.start();
    }

    pub(crate) fn freeze(&mut self) {
        self.signal(Signal::STOP);
        self.frozen = true;
    }

    /// Starts it again when it has ended by itself.
    pub(crate) fn look_after(&mut self) {
        let ended = |child: &mut Child| child.try_wait().unwrap().is_some();
        if self.child.as_mut().is_none_or(ended) {
            self.start();
        }
    }

    pub(crate) fn thaw(&mut self) {
        self.frozen = false;
        self.signal(Signal::CONT);
    }

    /// Tells it to leave, and waits for that.
    pub(crate) fn leave(&mut self) {
        self.thaw();
        self.signal(Signal::TERM);
        let Some(mut child) = self.child.take() else { return };
        wait_for("a process to leave", Duration::from_secs(120), || child.try_wait().unwrap());
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }
}
