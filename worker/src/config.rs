use std::{num::NonZero, path::PathBuf, thread, time::Duration};

use reelfleet_media::{SandboxMode, ToolSettings};
use reelfleet_runtime::{Var, Vars};

/// Videos that one worker transcodes at a time.
pub const CONCURRENCY: Var = Var::new(
    "WORKER_CONCURRENCY",
    "",
    "Videos that one worker transcodes at a time. Default: cores ÷ FFMPEG_THREADS. Times FFMPEG_THREADS, it may not exceed the cores.",
);
const THREADS: Var = Var::new("FFMPEG_THREADS", "1", "Threads of one ffmpeg.");
const LEASE: Var = Var::new(
    "LEASE_SECONDS",
    "30",
    "How long a claim holds without being renewed: the longest time a dead worker's job waits. 2 to 3600.",
);
const DRAIN: Var = Var::new(
    "DRAIN_SECONDS",
    "25",
    "How long a worker that was told to leave may go on with the jobs it holds. What cannot be finished is handed back.",
);
/// Scratch folder.
pub const WORK_DIR: Var = Var::new(
    "WORK_DIR",
    "./data/work",
    "Scratch folder. On the same disk as STORAGE_DIR nothing is copied.",
);
const FFMPEG: Var = Var::new(
    "FFMPEG",
    "",
    "Path of ffmpeg. Default: looked for in /usr/bin, /usr/local/bin and the like, not on PATH.",
);
const FFPROBE: Var =
    Var::new("FFPROBE", "", "Path of ffprobe. Default: beside ffmpeg, or looked for as that is.");
const SANDBOX: Var = Var::new(
    "SANDBOX",
    "auto",
    "Bubblewrap around ffmpeg: `auto` (with a warning where it does not work), `require` or `off`.",
);

/// The variables read here.
pub const VARS: &[Var] = &[CONCURRENCY, THREADS, LEASE, DRAIN, WORK_DIR, FFMPEG, FFPROBE, SANDBOX];

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Videos at a time.
    pub concurrency: u32,
    /// Threads of one ffmpeg.
    pub threads: u32,
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// How long it may go on after it was told to leave.
    pub drain: Duration,
    /// Scratch folder.
    pub work_dir: PathBuf,
    /// Where ffmpeg is and how it is confined.
    pub tools: ToolSettings,
}

impl WorkerConfig {
    /// Reads the configuration and notes what is wrong with it.
    pub fn from_vars(vars: &mut Vars) -> Self {
        let cores = cores();
        let threads = vars.parse::<u32>(&THREADS);
        if threads == 0 || threads > cores {
            vars.problem(&THREADS, format!("must be from 1 to the number of cores, {cores}"));
        }
        let threads = threads.clamp(1, cores);
        let concurrency = vars.parse_optional::<u32>(&CONCURRENCY).unwrap_or(cores / threads);
        if concurrency == 0 || concurrency.saturating_mul(threads) > cores {
            vars.problem(
                &CONCURRENCY,
                format!(
                    "with {threads} threads each, must be from 1 to {} on {cores} cores",
                    cores / threads
                ),
            );
        }
        let lease = vars.parse::<u64>(&LEASE);
        if !(2..=3600).contains(&lease) {
            vars.problem(&LEASE, "must be from 2 to 3600 seconds");
        }
        let sandbox = match vars.text(&SANDBOX).as_deref() {
            Some("require") => SandboxMode::Require,
            Some("off") => SandboxMode::Off,
            Some("auto") => SandboxMode::Auto,
            _ => {
                vars.problem(&SANDBOX, "expected `auto`, `require` or `off`");
                SandboxMode::Require
            }
        };
        Self {
            concurrency,
            threads,
            lease: Duration::from_secs(lease),
            drain: Duration::from_secs(vars.parse(&DRAIN)),
            work_dir: vars.text(&WORK_DIR).unwrap_or_default().into(),
            tools: ToolSettings {
                ffmpeg: vars.text(&FFMPEG).map(PathBuf::from),
                ffprobe: vars.text(&FFPROBE).map(PathBuf::from),
                sandbox,
            },
        }
    }

    /// How often leases are renewed and progress is told: ten chances before a lease
    /// ends, and at least once a second so that progress and cancels are lively.
    pub(crate) fn beat_every(&self) -> Duration {
        (self.lease / 10).min(Duration::from_secs(1))
    }
}

/// Cores that this process may use.
#[must_use]
pub fn cores() -> u32 {
    thread::available_parallelism().map_or(1, NonZero::get).try_into().unwrap_or(u32::MAX)
}

/// This machine's name, for people who look at the list of workers.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_than_cores_are_refused_by_name() {
        let mut vars = Vars::of([("WORKER_CONCURRENCY", "5000"), ("LEASE_SECONDS", "0")]);
        WorkerConfig::from_vars(&mut vars);
        let message = vars.finish().unwrap_err().to_string();
        assert!(message.contains("WORKER_CONCURRENCY: "), "{message}");
        assert!(message.contains("LEASE_SECONDS: "), "{message}");
    }
}
