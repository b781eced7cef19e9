use std::{path::PathBuf, process::Stdio, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

use crate::Result;

/// Nothing that is waited for takes as long, a wedged queue aside.
const BOUND: Duration = Duration::from_secs(60);

/// A worker process, and what it says about batches of jobs.
pub(crate) struct Worker {
    process: Child,
    log: Lines<BufReader<ChildStderr>>,
    _folder: TempDir,
}

/// What a batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Claimed,
    Closed,
}

/// A line of the log.
pub(crate) struct Line {
    pub(crate) at: Timestamp,
    pub(crate) what: What,
    pub(crate) jobs: usize,
}

impl Worker {
    /// Starts the executable that was built beside this one, and waits until it is ready.
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        #[expect(clippy::disallowed_methods, reason = "a benchmark of whole processes")]
        let mut process = Command::new(executable()?)
            .arg("worker")
            .env("STORAGE_TYPE", "local")
            .env("STORAGE_DIR", folder.path().join("blobs"))
            .env("WORK_DIR", folder.path().join("work"))
            .env("LOG_FORMAT", "json")
            .env("REELFLEET_LOG", "info,reelfleet_worker::bulk=debug")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let log = process.stderr.take().ok_or("it has no standard error")?;
        let mut worker = Self { process, log: BufReader::new(log).lines(), _folder: folder };
        while !text(&worker.line().await?, "message").ends_with("takes jobs") {}
        Ok(worker)
    }

    async fn line(&mut self) -> Result<Value> {
        let line = timeout(BOUND, self.log.next_line()).await.map_err(|_| "it says nothing")??;
        Ok(serde_json::from_str(&line.ok_or("the worker has ended")?)?)
    }

    /// The next batch that was claimed or closed.
    pub(crate) async fn next(&mut self) -> Result<Line> {
        loop {
            let line = self.line().await?;
            let what = match text(&line, "message") {
                "jobs claimed" => What::Claimed,
                "jobs closed" => What::Closed,
                _ => continue,
            };
            let jobs = line.get("jobs").and_then(Value::as_u64).unwrap_or_default();
            return Ok(Line {
                at: text(&line, "timestamp").parse()?,
                what,
                jobs: usize::try_from(jobs)?,
            });
        }
    }

    pub(crate) async fn next_of(&mut self, what: What) -> Result<Line> {
        loop {
            let line = self.next().await?;
            if line.what == what {
                return Ok(line);
            }
        }
    }

    /// Ends it at once: it holds nothing any more.
    pub(crate) async fn stop(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }
}

fn text<'a>(line: &'a Value, name: &str) -> &'a str {
    line.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn executable() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    Ok(this.parent().ok_or("a program without a folder")?.join("reelfleet"))
}
