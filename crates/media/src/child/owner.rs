//! The thread that owns one child, from its start until it is reaped.

use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use ffmpeg_sidecar::child::FfmpegChild;
use ffmpeg_sidecar::command::FfmpegCommand;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::sync::watch;

use super::{Ended, Leash, Log, Position, Stdout, Task, cpu, read};

/// How long readers may take to see end-of-file after the child is gone. Only
/// a descendant that escaped its group can hold them longer; it is left behind.
const READERS: Duration = Duration::from_secs(2);

/// Either kind of child; ffmpeg through ffmpeg-sidecar, ffprobe bare.
enum Process {
    Ffmpeg(FfmpegChild),
    Other(Child),
}

impl Process {
    fn spawn(mut command: Command, stdout: Stdout) -> io::Result<Process> {
        use std::os::unix::process::CommandExt;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        match stdout {
            Stdout::Closed => FfmpegCommand::from(command).spawn().map(Process::Ffmpeg),
            Stdout::Keep(_) => command.spawn().map(Process::Other),
        }
    }

    fn child(&mut self) -> &mut Child {
        match self {
            Process::Ffmpeg(child) => child.as_inner_mut(),
            Process::Other(child) => child,
        }
    }
}

/// What a child's two outputs become.
struct Readers {
    log: Receiver<Log>,
    stdout: Receiver<Vec<u8>>,
}

/// Spawns, waits, ends whatever is left of the group, reaps.
pub(super) fn own(
    task: Task,
    leash: &Leash,
    position: watch::Sender<Position>,
) -> io::Result<Ended> {
    let mut process = Process::spawn(task.command, task.stdout)?;
    tend(process.child(), leash, |child| {
        Ok(Readers {
            log: read::log(child.stderr.take(), position)?,
            stdout: read::stdout(child.stdout.take(), task.stdout)?,
        })
    })
}

/// From here on the child runs: there is no way out but past its end.
fn tend(
    child: &mut Child,
    leash: &Leash,
    readers: impl FnOnce(&mut Child) -> io::Result<Readers>,
) -> io::Result<Ended> {
    let started = Instant::now();
    let pid = Pid::from_child(child);
    leash.hold(pid);
    drop(child.stdin.take());
    let readers = readers(child);
    if readers.is_err() {
        // No thread to read it: it must not run on unwatched.
        leash.kill();
    }

    // Without reaping: until `release` the pid, and so the group, is still ours.
    let exited = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), exited), Err(rustix::io::Errno::INTR)) {}
    let cpu = cpu::used(pid);
    leash.release();
    let status = child.wait()?;
    let readers = readers?;
    Ok(Ended {
        cut: None,
        status,
        stdout: collect(&readers.stdout),
        log: collect(&readers.log),
        wall: started.elapsed(),
        cpu,
    })
}

/// What a reader thread gathered, if it comes to an end in time.
fn collect<T: Default>(reader: &Receiver<T>) -> T {
    reader.recv_timeout(READERS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a child to kill")]
    fn a_child_nobody_can_read_is_killed_and_reaped() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 3600 & sleep 3600"]);
        let mut process = Process::spawn(command, Stdout::Keep(1)).expect("it starts");
        let leash = Leash::new();
        let started = Instant::now();
        let ended = tend(process.child(), &leash, |_| Err(rustix::io::Errno::AGAIN.into()));
        assert_eq!(ended.expect_err("no readers").kind(), io::ErrorKind::WouldBlock);
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
        let child = process.child();
        assert!(child.try_wait().expect("a status").is_some(), "reaped");
        let group = child.id().to_string();
        while alive_in(&group) {
            assert!(started.elapsed() < Duration::from_secs(60), "something of its group is left");
            std::thread::yield_now();
        }
    }

    /// Whether anything in a process group runs. What is dead waits for the machine's first
    /// process to reap it, which some containers have none for.
    fn alive_in(group: &str) -> bool {
        let stats = std::fs::read_dir("/proc")
            .expect("/proc")
            .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
        stats.into_iter().any(|stat| {
            // pid (name) state parent group …
            let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
            let dead = matches!(fields.next(), Some("Z" | "X"));
            fields.nth(1) == Some(group) && !dead
        })
    }
}
