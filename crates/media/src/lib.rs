//! Untrusted video in, verified renditions out.
//!
//! ```text
//! file ─▶ probe ─▶ gate ─▶ plan ─▶ run ─▶ verify ─▶ Output
//!        ffprobe   pure    pure   ffmpeg  in-process
//!        └── sandbox ──┘          sandbox
//! ```
//!
//! Every program that reads an upload starts in this crate, in one place, in a
//! sandbox with limits, and none outlives its caller. (The other children of
//! the project are the workers of `reelfleet up`, which `cli` starts.) Nothing
//! an uploader typed reaches an argument. An exit code proves nothing: outputs are checked
//! again before they are handed over. Bad input ends as
//! [`Error::Rejected`] with one of these codes: `empty`, `not_a_video`,
//! `unsupported_container`, `no_picture`, `unsupported_codec`, `encrypted`,
//! `too_long`, `picture_too_large`, `too_many_frames`, `frame_rate_too_high`,
//! `too_many_streams`, `undecodable`, `truncated`, `output_mismatch`,
//! `output_too_large`, `too_slow`, `too_much_memory` (see [`Code`]).
//!
//! ```no_run
//! use reelfleet_media::{JobDir, Limits, Profiles, ToolSettings, Tools, Transcode};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let tools = Tools::find(&ToolSettings::default())?;
//! let profiles = Profiles::builtin();
//! let profile = profiles.get("web").ok_or("no such profile")?;
//! let limits = Limits::default();
//! let stop = CancellationToken::new();
//! let dir = JobDir::create("work".as_ref(), "job-1")?;
//! std::fs::copy("holiday.mov", dir.input())?;
//! let transcode = Transcode { tools: &tools, profile, threads: 2, limits: &limits, stop: &stop };
//! let output = transcode.run(&dir, |progress| drop(progress)).await?;
//! println!("{} files, {:.1} s", output.files.len(), output.duration_s);
//! dir.remove()?;
//! # Ok(()) }
//! ```

mod child;
mod classify;
mod error;
mod job_dir;
mod limits;
mod output;
mod plan;
mod probe;
mod profile;
mod reason;
mod run;
mod tools;
mod transcode;
mod verify;

pub use error::Error;
pub use job_dir::JobDir;
pub use limits::Limits;
pub use output::{FileKind, Output, OutputFile};
pub use plan::{Expected, Plan, Rung, Size, Strategy, plan, plan_encode};
pub use probe::{Audio, Hdr, Rate, RawProbe, Source, Video, gate, probe};
pub use profile::{Profile, ProfileError, Profiles};
pub use reason::{Code, Reason};
pub use run::{Progress, RunReport, run};
pub use tools::{SandboxMode, ToolError, ToolSettings, Tools};
pub use transcode::Transcode;
pub use verify::verify;
