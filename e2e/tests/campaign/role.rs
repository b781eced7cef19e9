//! One process of the fleet, started again whenever it ended.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use reelfleet_e2e::Role as Run;
use rustix::process::Signal;

/// For a process to end that was told to, on a machine that is busy with other things.
const END: Duration = Duration::from_secs(120);

/// A role that is to be there always, as a service manager keeps it.
#[derive(Debug)]
pub(crate) struct Role {
    word: &'static str,
    settings: Vec<(String, String)>,
    log: PathBuf,
    /// The process that is there now, or was last.
    pub(crate) run: Run,
    /// It stands still: nobody kills it, and nobody starts another in its place.
    pub(crate) frozen: bool,
}

impl Role {
    pub(crate) fn new(word: &'static str, settings: Vec<(String, String)>, log: &Path) -> Self {
        let run = Run::start(&mut Run::command(word, &settings, log));
        Self { word, settings, log: log.to_owned(), run, frozen: false }
    }

    fn start(&mut self) {
        self.run = Run::start(&mut Run::command(self.word, &self.settings, &self.log));
    }

    /// `kill -9`, and a new one.
    pub(crate) fn kill(&mut self) {
        self.run.signal(Signal::KILL);
        self.run.wait_end(END);
        self.start();
    }

    pub(crate) fn freeze(&mut self) {
        self.run.signal(Signal::STOP);
        self.frozen = true;
    }

    /// Starts it again when it has ended by itself.
    pub(crate) fn look_after(&mut self) {
        if self.run.ended().is_some() {
            self.start();
        }
    }

    pub(crate) fn thaw(&mut self) {
        self.frozen = false;
        self.run.signal(Signal::CONT);
    }

    /// Tells it to leave, and waits for that.
    pub(crate) fn leave(&mut self) {
        self.thaw();
        self.run.signal(Signal::TERM);
        self.run.wait_end(END);
    }
}
