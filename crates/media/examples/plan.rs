//! Prints the ffmpeg words that a file would be transcoded with: `plan FILE [PROFILE] [THREADS]`.
//!
//! For comparing the fleet with bare ffmpeg of the same words, and for looking at a plan.

use std::{error::Error, io::Write, path::PathBuf};

use reelfleet_media::{JobDir, Limits, Profiles, ToolSettings, Tools, plan, probe};
use tokio_util::sync::CancellationToken;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let file = PathBuf::from(words.next().ok_or("which file?")?);
    let profiles = Profiles::builtin();
    let name = words.next().unwrap_or_else(|| "web".to_owned());
    let profile = profiles.get(&name).ok_or("no such profile")?;
    let threads = words.next().map_or(Ok(1), |threads| threads.parse())?;

    let (tools, limits) = (Tools::find(&ToolSettings::default())?, Limits::default());
    let dir = JobDir::create(&std::env::temp_dir(), &format!("plan-{}", std::process::id()))?;
    std::fs::copy(file, dir.input())?;
    let source = probe(&tools, &dir, &limits, &CancellationToken::new()).await;
    dir.remove()?;
    for word in &plan(&source?, profile, threads, &limits).args {
        writeln!(std::io::stdout(), "{word}")?;
    }
    Ok(())
}
