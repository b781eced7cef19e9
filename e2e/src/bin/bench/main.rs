//! What the fleet costs next to bare ffmpeg of the same words, alternating in one run.
//!
//! ```text
//! A: xargs -P 2 ffmpeg <words>         ─► wall time
//! B: up --max 2, queue filled, go      ─► first claim to last row closed
//! ```
//!
//! Only ratios of one run mean anything: machines are shared and speeds wander.

mod bare;
mod measured;
mod ours;

use std::{error::Error, fs, io::Write, path::Path};

use measured::Measured;
use reelfleet_e2e::clips;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut cases = Vec::new();
    for (name, seconds, count, rounds) in [("4-s clips", 4, 16, 3), ("30-s clips", 30, 4, 2)] {
        let clip = source(folder.path(), seconds);
        let case = ratio(folder.path(), name, &clip, count, rounds)?;
        say(&case.line())?;
        cases.push(case);
    }
    let conforming = clips::make(
        folder.path(),
        "conforming.mp4",
        "-f lavfi -i testsrc2=s=1280x720:r=30 -f lavfi -i sine -t 30 -c:v libx264 -pix_fmt yuv420p -c:a aac",
    );
    let case = ratio(folder.path(), "30-s conforming (copied)", &conforming, 8, 3)?;
    say(&case.line())?;
    cases.push(case);

    let clip = source(folder.path(), 4);
    let shapes = [("2 workers × 1 thread", 2, 1), ("1 worker × 2 threads", 1, 2)];
    let mut per_hour = shapes.map(|(name, ..)| Measured::new(name));
    for _ in 0..2 {
        for ((_, workers, threads), measured) in shapes.iter().zip(&mut per_hour) {
            let wall = ours::batch(&clip, 12, *workers, *threads)?;
            measured.add(12.0 * 3600.0 / wall);
        }
    }
    for measured in &per_hour {
        say(&format!("{}: {:.0} videos of 4 s an hour", measured.name, measured.median()))?;
    }
    let pick_up = ours::pick_up(&clips::short(folder.path()), 50)?;
    say(&format!(
        "queued to running on an idle fleet: median {:.1} ms, p90 {:.1} ms",
        pick_up.median(),
        pick_up.quantile(0.9)
    ))?;

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    fs::create_dir_all(&folder)?;
    let path = folder.join("bench.json");
    let report = measured::report(&cases, &per_hour, &pick_up);
    fs::write(&path, format!("{report:#}\n"))?;
    say(&format!("written to {}", path.display()))
}

/// 1080p with noise, as cameras make it, in short closed GOPs.
fn source(folder: &Path, seconds: u32) -> std::path::PathBuf {
    clips::make(
        folder,
        &format!("source-{seconds}.mp4"),
        &format!(
            "-f lavfi -i testsrc2=s=1920x1080:r=30,noise=alls=8:allf=t -f lavfi -i sine -t {seconds} \
             -c:v libx264 -preset ultrafast -b:v 13M -maxrate 13M -bufsize 13M -g 60 -pix_fmt yuv420p -c:a aac"
        ),
    )
}

/// Alternates bare ffmpeg and the fleet over the same clips.
fn ratio(
    folder: &Path,
    name: &str,
    clip: &Path,
    count: usize,
    rounds: usize,
) -> Result<measured::Case> {
    let words = bare::words(clip)?;
    let mut case = measured::Case::new(name, count);
    for round in 0..rounds {
        // The order turns each round, so that a drift of the machine hits both alike.
        if round % 2 == 0 {
            let bare = bare::batch(folder, clip, &words, count)?;
            case.add(bare, ours::batch(clip, count, 2, 1)?);
        } else {
            let ours = ours::batch(clip, count, 2, 1)?;
            case.add(bare::batch(folder, clip, &words, count)?, ours);
        }
    }
    Ok(case)
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
