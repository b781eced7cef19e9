//! The only place a child process starts, and the thread that owns it.
//!
//! ```text
//! supervise (async) ── kill ──▶ Leash ◀── owner thread: spawn, wait, reap
//!        ▲                                  │ stdout, stderr readers
//!        └────────── Ended ◀────────────────┘
//! ```
//!
//! The owner is a thread of its own, because the kernel's parent-death signal
//! follows the thread that spawned: were it a pool thread that may end, the
//! child would die with it.

mod cpu;
mod leash;
mod log;
mod owner;
mod read;

use std::io;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use leash::Leash;
pub(crate) use log::Log;

/// How long a killed child may take to disappear before its group is killed
/// over its head.
const GONE: Duration = Duration::from_secs(2);

/// What to start and what to keep of its standard output.
pub(crate) struct Task {
    pub(crate) command: Command,
    pub(crate) stdout: Stdout,
}

/// What happens to a child's standard output.
#[derive(Clone, Copy)]
pub(crate) enum Stdout {
    /// Closed at once: ffmpeg has nothing to say there.
    Closed,
    /// Kept up to this many bytes; a child that writes more is cut off.
    Keep(usize),
}

/// How far ffmpeg says it is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Position {
    pub(crate) frame: u64,
    pub(crate) time_s: f64,
    pub(crate) speed: f64,
}

/// Why we ended a child ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The stop token fired.
    Stopped,
    /// The wall time was used up.
    WallTime,
    /// No progress for too long.
    Stalled,
}

/// When to end a child.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) wall: Duration,
    pub(crate) stall: Option<Duration>,
}

/// A child that is gone and reaped.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) cut: Option<Cut>,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) log: Log,
    pub(crate) wall: Duration,
    /// Processor time it used, with all it waited for; zero where unknown.
    pub(crate) cpu: Duration,
}

/// Runs `task` to its end, whoever ends it. Dropping the future kills it too.
pub(crate) async fn supervise(
    task: Task,
    bounds: Bounds,
    stop: &CancellationToken,
    mut on_position: impl FnMut(Position),
) -> io::Result<Ended> {
    let leash = Leash::new();
    let guard = leash.clone().kill_on_drop();
    let (position_tx, mut position) = watch::channel(Position::default());
    let (end_tx, mut end) = oneshot::channel();
    start(task, &leash, position_tx, move |ended| {
        // The receiver is gone only when the future was dropped.
        let _ = end_tx.send(ended);
    })?;

    let wall = tokio::time::sleep(bounds.wall);
    tokio::pin!(wall);
    let stall = tokio::time::sleep(bounds.stall.unwrap_or(bounds.wall));
    tokio::pin!(stall);
    let mut speaks = true;
    let mut seen = Position::default();

    let cut = loop {
        tokio::select! {
            biased;
            ended = &mut end => {
                guard.disarm();
                return ended.map_err(|_| io::Error::other("the owner thread is gone"))?;
            }
            () = stop.cancelled() => break Cut::Stopped,
            () = &mut wall => break Cut::WallTime,
            () = &mut stall, if bounds.stall.is_some() => break Cut::Stalled,
            changed = position.changed(), if speaks => {
                speaks = changed.is_ok();
                let now = *position.borrow_and_update();
                if let Some(stall_after) = bounds.stall
                    && (now.frame > seen.frame || now.time_s > seen.time_s)
                {
                    stall.as_mut().reset(tokio::time::Instant::now() + stall_after);
                }
                seen = now;
                on_position(now);
            }
        }
    };

    leash.kill();
    let ended = match tokio::time::timeout(GONE, &mut end).await {
        Ok(ended) => ended,
        Err(_) => {
            leash.kill_group();
            end.await
        }
    };
    guard.disarm();
    let mut ended = ended.map_err(|_| io::Error::other("the owner thread is gone"))??;
    ended.cut = Some(cut);
    Ok(ended)
}

/// Runs a short task from blocking code; used once, when tools are looked for.
pub(crate) fn supervise_blocking(task: Task, wall: Duration) -> io::Result<Ended> {
    let leash = Leash::new();
    let (end_tx, end) = sync_channel(1);
    start(task, &leash, watch::channel(Position::default()).0, move |ended| {
        let _ = end_tx.send(ended);
    })?;
    let gone = || io::Error::other("the owner thread is gone");
    match end.recv_timeout(wall) {
        Ok(ended) => ended,
        Err(RecvTimeoutError::Disconnected) => Err(gone()),
        Err(RecvTimeoutError::Timeout) => {
            leash.kill();
            leash.kill_group();
            let mut ended = end.recv().map_err(|_| gone())??;
            ended.cut = Some(Cut::WallTime);
            Ok(ended)
        }
    }
}

/// Starts the owner thread.
fn start(
    task: Task,
    leash: &Arc<Leash>,
    position: watch::Sender<Position>,
    on_end: impl FnOnce(io::Result<Ended>) + Send + 'static,
) -> io::Result<()> {
    let leash = leash.clone();
    std::thread::Builder::new()
        .name("media-child".into())
        .spawn(move || on_end(owner::own(task, &leash, position)))?;
    Ok(())
}
