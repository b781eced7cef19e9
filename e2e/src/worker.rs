//! One `reelfleet worker` on one instance. Whatever goes wrong here panics.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    ops::{Deref, DerefMut},
    os::unix::process::CommandExt as _,
    path::Path,
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Role, processes};

/// A worker process.
#[derive(Debug)]
pub struct Worker {
    /// The instance that it runs on.
    pub instance: String,
    role: Role,
}

impl Worker {
    /// Starts one with these settings, whose log is appended to a file.
    pub fn start(instance: &str, settings: &[(String, String)], log: &Path) -> Self {
        let role = Role::start(Role::command("worker", settings, log).process_group(0));
        Self { instance: instance.to_owned(), role }
    }

    /// As a service manager does that ends everything of a service at once.
    pub fn signal_everything(&self, signal: Signal) {
        let below = processes::descendants(self.pid());
        let _ = kill_process_group(Pid::from_raw(self.pid()).unwrap(), signal);
        for process in below {
            processes::signal(process.pid, signal);
        }
    }
}

impl Deref for Worker {
    type Target = Role;

    fn deref(&self) -> &Role {
        &self.role
    }
}

impl DerefMut for Worker {
    fn deref_mut(&mut self) -> &mut Role {
        &mut self.role
    }
}
