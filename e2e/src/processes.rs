//! Processes of this machine, as the kernel lists them.

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its parent's id.
    pub parent: i32,
    /// Name of its program.
    pub name: String,
    /// It has ended and was not waited for yet.
    pub zombie: bool,
}

/// Every process there is.
#[must_use]
pub fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect()
}

fn read(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, parentheses too.
    let (name, rest) = (stat.find('(')?, stat.rfind(')')?);
    let mut fields = stat.get(rest + 2..)?.split(' ');
    let zombie = fields.next()? == "Z";
    let parent = fields.next()?.parse().ok()?;
    Some(Process { pid, parent, name: stat.get(name + 1..rest)?.to_owned(), zombie })
}

/// Everything that `pid` started, and what that started.
#[must_use]
pub fn descendants(pid: i32) -> Vec<Process> {
    let all = all();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for child in all.iter().filter(|process| process.parent == parent) {
            parents.push(child.pid);
            found.push(child.clone());
        }
    }
    found
}

/// Those that have to do with something below `folder`, a temporary folder: their command line,
/// working folder, an open file, or what their sandbox shows them says so.
#[must_use]
pub fn using(folder: &Path, processes: impl IntoIterator<Item = Process>) -> Vec<Process> {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    // Mounts are told from the root of their file system, which may be that of the temporary
    // folders: of the path, only the last name is sure to be there. It is like no other.
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let this = std::process::id().cast_signed();
    let uses = |process: &Process| {
        let of = |what: &str| format!("/proc/{}/{what}", process.pid);
        let below = |link: &Path| fs::read_link(link).is_ok_and(|path| path.starts_with(&folder));
        let line = fs::read(of("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&name)
            || below(of("cwd").as_ref())
            || fs::read_to_string(of("mountinfo")).is_ok_and(|mounts| mounts.contains(&name))
            || fs::read_dir(of("fd"))
                .is_ok_and(|files| files.flatten().any(|file| below(&file.path())))
    };
    let alive = processes.into_iter().filter(|process| process.pid != this && !process.zombie);
    alive.filter(uses).collect()
}

/// Sends a signal; a process that is gone is fine.
pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether the process is there and not only a zombie.
#[must_use]
pub fn is_alive(pid: i32) -> bool {
    read(pid).is_some_and(|process| !process.zombie)
}

/// Resident memory of a process in KiB, the most it ever had.
#[must_use]
pub fn peak_memory_kib(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok())
}
