//! Runs a plan: one ffmpeg, watched, bounded, and never outliving us.

use std::fs;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::child::{Bounds, Cut, Ended, Position, Stdout, Task, supervise};
use crate::plan::WATERMARK;
use crate::tools::Bound;
use crate::{Code, Error, JobDir, Limits, Plan, Tools, classify};

/// Our watermark.
const WATERMARK_PNG: &[u8] = include_bytes!("../assets/watermark.png");

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Part done, 0 to 1; stays 0 while the duration is unknown.
    pub fraction: f64,
    /// Frames written.
    pub frame: u64,
    /// Seconds of video per second of wall time.
    pub speed: f64,
}

/// What a finished run has to say. It proves nothing: see [`verify`](crate::verify).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunReport {
    /// Wall time of ffmpeg.
    pub wall: Duration,
    /// Frames written.
    pub frames: u64,
    /// Errors ffmpeg reported and got over, mostly damaged input.
    pub input_errors: u64,
    /// ffmpeg said that the input ends early. Only of Matroska, and it need not:
    /// a file of unknown size has no early end.
    pub ended_early: bool,
}

/// Runs `plan` in `dir`. Stopping or dropping the future kills ffmpeg.
pub async fn run(
    tools: &Tools,
    plan: &Plan,
    dir: &JobDir,
    limits: &Limits,
    stop: &CancellationToken,
    mut on_progress: impl FnMut(Progress) + Send + 'static,
) -> Result<RunReport, Error> {
    if plan.expected.watermark {
        fs::write(dir.assets().join(WATERMARK), WATERMARK_PNG)
            .map_err(|err| Error::io("writing the watermark", &err))?;
    }
    let wall = limits.wall(plan.expected_duration);
    // A busy machine uses up wall time, a costly video processor time: only
    // the second is the video's fault, so it must be reached first on an idle
    // machine.
    let cpu = wall.mul_f64(0.8 * f64::from(plan.threads));
    let bound = Bound::new(dir, limits.memory, limits.file_size, cpu);
    let task = Task { command: tools.ffmpeg(&plan.args, &bound), stdout: Stdout::Closed };
    let bounds = Bounds { wall, stall: Some(limits.stall) };
    let total = plan.expected_duration;
    let mut frames = 0;
    let ended = supervise(task, bounds, stop, |position| {
        frames = position.frame;
        on_progress(progress(position, total));
    })
    .await
    .map_err(|err| Error::io("starting ffmpeg", &err))?;
    outcome(&ended, &bound, plan)?;
    let Ended { wall, log, .. } = ended;
    Ok(RunReport { wall, frames, input_errors: log.errors, ended_early: log.ended_early })
}

fn progress(position: Position, total: Option<f64>) -> Progress {
    let fraction = total.map_or(0.0, |total| position.time_s / total);
    Progress {
        fraction: if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 },
        frame: position.frame,
        speed: position.speed,
    }
}

fn outcome(ended: &Ended, bound: &Bound, plan: &Plan) -> Result<(), Error> {
    match ended.cut {
        Some(Cut::Stopped) => return Err(Error::Stopped),
        Some(Cut::WallTime) => {
            return Err(Error::Failed(format!("ffmpeg was still running after {:?}", ended.wall)));
        }
        Some(Cut::Stalled) => return Err(Error::Failed("ffmpeg made no progress".into())),
        None => {}
    }
    // Writing can fail and the exit code still be zero.
    let unwritten = ended.log.disk_full || ended.log.file_too_large;
    if ended.status.success() && !unwritten {
        return Ok(());
    }
    let lines: Vec<&str> = ended.log.lines().collect();
    tracing::debug!(status = %ended.status, log = lines.join("\n"), "ffmpeg failed");
    let bad_input = if plan.expected.encrypted { Code::Encrypted } else { Code::Undecodable };
    Err(classify::exit(ended, bound, bad_input))
}
