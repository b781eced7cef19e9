//! Runs every file of a directory through a profile and prints each verdict:
//! `cargo run -p reelfleet-media --example corpus -- DIR [PROFILE] [CONTAINS]`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::time::Instant;

use reelfleet_media::{Error, JobDir, Limits, Profiles, ToolSettings, Tools, Transcode};
use tokio_util::sync::CancellationToken;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    let mut args = std::env::args().skip(1);
    let from = PathBuf::from(args.next().ok_or("which directory?")?);
    let name = args.next().unwrap_or_else(|| "web".to_owned());
    let contains = args.next().unwrap_or_default();
    let tools = Tools::find(&ToolSettings::default())?;
    if let Some(sentence) = tools.degraded() {
        println!("# {sentence}");
    }
    let profiles = Profiles::builtin();
    let profile = profiles.get(&name).ok_or("no such profile")?;
    let (limits, stop) = (Limits::default(), CancellationToken::new());
    let transcode = Transcode { tools: &tools, profile, threads: 2, limits: &limits, stop: &stop };

    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&from)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.sort();
    files.retain(|file| file.to_string_lossy().contains(&contains));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    println!("file\tverdict\tcode\twall_ms\tdetail");
    for file in files {
        let started = Instant::now();
        let (verdict, code, detail) = one(&transcode, &file).await?;
        let shown = file.file_name().unwrap_or_default().to_string_lossy();
        println!("{shown}\t{verdict}\t{code}\t{}\t{detail}", started.elapsed().as_millis());
        *counts.entry(format!("{verdict} {code}")).or_default() += 1;
    }
    for (what, count) in counts {
        println!("# {count}\t{what}");
    }
    Ok(())
}

async fn one(
    transcode: &Transcode<'_>,
    file: &Path,
) -> Result<(&'static str, String, String), Box<dyn StdError>> {
    let dir = JobDir::create(&std::env::temp_dir().join("reelfleet-corpus"), "one")?;
    std::fs::copy(file, dir.input())?;
    let verdict = match transcode.run(&dir, |_| {}).await {
        Ok(out) => {
            let detail = format!(
                "{}x{} {:.2}s {} files",
                out.width,
                out.height,
                out.duration_s,
                out.files.len()
            );
            ("ready", String::new(), detail)
        }
        Err(Error::Rejected(reason)) => ("rejected", reason.code.to_owned(), reason.message),
        Err(Error::Failed(why)) => ("failed", String::new(), why),
        Err(Error::Stopped) => ("stopped", String::new(), String::new()),
    };
    dir.remove()?;
    Ok(verdict)
}
