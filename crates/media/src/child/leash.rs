//! The one handle by which a running child is killed.

use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Holds the pid exactly while it is certainly ours.
///
/// Kills and reaping exclude each other here, so no signal can ever reach a
/// process that got a recycled pid.
pub(crate) struct Leash(Mutex<State>);

enum State {
    /// Not spawned yet.
    Waiting,
    /// Ended before it was spawned: it is killed as soon as it is.
    Doomed,
    Running(Pid),
    Gone,
}

impl Leash {
    pub(crate) fn new() -> Arc<Leash> {
        Arc::new(Leash(Mutex::new(State::Waiting)))
    }

    /// A guard that kills when dropped, for futures that may be dropped.
    pub(crate) fn kill_on_drop(self: Arc<Self>) -> KillOnDrop {
        KillOnDrop(Some(self))
    }

    /// The child runs as `pid`, which leads its own process group.
    pub(super) fn hold(&self, pid: Pid) {
        let mut state = self.state();
        let doomed = matches!(*state, State::Doomed);
        *state = State::Running(pid);
        if doomed {
            kill(pid);
        }
    }

    /// The child has exited and is about to be reaped. Whatever else is in its
    /// group (a fork that outlived it) is killed now, while the id is reserved.
    pub(super) fn release(&self) {
        let mut state = self.state();
        if let State::Running(pid) = *state {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        *state = State::Gone;
    }

    /// Kills the child, in a way that lets its sandbox reap it.
    pub(crate) fn kill(&self) {
        let mut state = self.state();
        match *state {
            State::Waiting => *state = State::Doomed,
            State::Running(pid) => kill(pid),
            State::Doomed | State::Gone => {}
        }
    }

    /// Kills the whole group without ceremony.
    pub(crate) fn kill_group(&self) {
        if let State::Running(pid) = *self.state() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A pid is plain data: a panic elsewhere cannot have left it half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills bwrap's child, so that bwrap itself reaps it and exits. Were
/// bwrap killed first, its child would be left to whoever is init, and in a
/// container where that is us, as a zombie. Without such a child: the group.
fn kill(pid: Pid) {
    let inner = children(pid);
    for child in &inner {
        let _ = kill_process(*child, Signal::KILL);
    }
    if inner.is_empty() {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn children(pid: Pid) -> Vec<Pid> {
    if !is_bwrap(pid) {
        return Vec::new();
    }
    let raw = pid.as_raw_nonzero();
    let list = fs::read_to_string(format!("/proc/{raw}/task/{raw}/children")).unwrap_or_default();
    let pids = list.split_whitespace().filter_map(|word| word.parse().ok());
    pids.filter_map(Pid::from_raw).collect()
}

fn is_bwrap(pid: Pid) -> bool {
    let comm = format!("/proc/{}/comm", pid.as_raw_nonzero());
    fs::read_to_string(comm).is_ok_and(|name| name.trim() == "bwrap")
}

/// See [`Leash::kill_on_drop`].
#[must_use]
pub(crate) struct KillOnDrop(Option<Arc<Leash>>);

impl KillOnDrop {
    /// The child is gone; nothing to kill.
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(leash) = &self.0 {
            leash.kill();
        }
    }
}
