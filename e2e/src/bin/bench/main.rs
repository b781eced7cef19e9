//! What the fleet costs next to bare ffmpeg of the same words, alternating in one run.
//!
//! ```text
//! A: xargs -P 2 ffmpeg <words>         ─► wall time
//! B: up --max 2, queue filled, go      ─► first claim to last row closed
//! and the processor time of both
//! ```
//!
//! Only ratios of one run mean anything: machines are shared and speeds wander.
//! Measured with the installed ffmpeg, and with the small one that is named, if any.

mod bare;
mod measured;
mod ours;

use std::{error::Error, fs, io::Write, path::Path};

use bare::{Bare, Build};
use measured::{Case, Measured};
use ours::Ours;
use reelfleet_e2e::clips;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let conforming = clips::make(
        folder.path(),
        "conforming.mp4",
        "-f lavfi -i testsrc2=s=1280x720:r=30 -f lavfi -i sine -t 30 -c:v libx264 -pix_fmt yuv420p -c:a aac",
    );
    let (short, long) = (source(folder.path(), 4), source(folder.path(), 30));
    let clips = [
        ("4-s clips", &short, 16, bare::words(&short)?),
        ("30-s clips", &long, 4, bare::words(&long)?),
        ("30-s conforming (copied)", &conforming, 8, bare::words(&conforming)?),
    ];
    let mut cases = Vec::new();
    let small = std::env::args().nth(1);
    let small = small.as_deref().map(|path| (Build { name: "small", path: Some(path) }, 5));
    for (build, rounds) in [(Build::INSTALLED, 3)].into_iter().chain(small) {
        let fleet = Ours::start(2, 1, build);
        for (name, clip, count, words) in &clips {
            let bare = Bare { build, words };
            cases.push(ratio(folder.path(), &fleet, &bare, name, clip, (*count, rounds))?);
        }
    }

    let shapes = [("2 workers × 1 thread", 2, 1), ("1 worker × 2 threads", 1, 2)];
    let mut per_hour = shapes.map(|(name, ..)| Measured::new(name));
    for _ in 0..2 {
        for ((_, workers, threads), measured) in shapes.iter().zip(&mut per_hour) {
            let cost = Ours::start(*workers, *threads, Build::INSTALLED).batch(&short, 12)?;
            measured.add(12.0 * 3600.0 / cost.wall);
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

/// 1080p30 at 13 Mbit/s with noise, as cameras make it, in closed GOPs of two seconds.
fn source(folder: &Path, seconds: u32) -> std::path::PathBuf {
    let picture = "mandelbrot=s=1920x1080:r=30[m];testsrc2=s=1920x1080:r=30[t];\
                   [m][t]blend=all_mode=average,noise=alls=8:allf=t";
    clips::make(
        folder,
        &format!("source-{seconds}.mp4"),
        &format!(
            "-f lavfi -i {picture} -f lavfi -i sine -t {seconds} -c:v libx264 -preset ultrafast \
             -b:v 13.2M -maxrate 13.2M -bufsize 13.2M -g 60 -pix_fmt yuv420p -c:a aac"
        ),
    )
}

/// Alternates bare ffmpeg and the fleet over the same clips.
fn ratio(
    folder: &Path,
    ours: &Ours,
    bare: &Bare<'_>,
    name: &str,
    clip: &Path,
    plan: (usize, usize),
) -> Result<Case> {
    let (count, rounds) = plan;
    let mut case = Case::new(name, bare.build.name, count);
    for round in 0..rounds {
        // The order turns each round, so that a drift of the machine hits both alike.
        if round % 2 == 0 {
            let bare = bare.batch(folder, clip, count)?;
            case.add(bare, ours.batch(clip, count)?);
        } else {
            let ours = ours.batch(clip, count)?;
            case.add(bare.batch(folder, clip, count)?, ours);
        }
    }
    say(&case.line())?;
    Ok(case)
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
