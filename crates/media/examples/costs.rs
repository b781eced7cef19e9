//! Measures what each step costs beside the encode itself:
//! `cargo run --release -p reelfleet-media --example costs -- FILE [PROFILE]`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error as StdError;
use std::time::{Duration, Instant};

use reelfleet_media::{
    JobDir, Limits, Profiles, SandboxMode, ToolSettings, Tools, plan, probe, run, verify,
};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 7;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("which file?")?;
    let name = args.next().unwrap_or_else(|| "web".to_owned());
    let profiles = Profiles::builtin();
    let profile = profiles.get(&name).ok_or("no such profile")?;
    let (limits, stop) = (Limits::default(), CancellationToken::new());
    for sandbox in [SandboxMode::Off, SandboxMode::Require] {
        let tools = Tools::find(&ToolSettings { sandbox, ..ToolSettings::default() })?;
        let (mut probes, mut runs, mut verifies) = (Vec::new(), Vec::new(), Vec::new());
        let mut strategy = None;
        for _ in 0..ROUNDS {
            let dir = JobDir::create(&std::env::temp_dir().join("reelfleet-costs"), "one")?;
            std::fs::copy(&file, dir.input())?;
            let started = Instant::now();
            let source = probe(&tools, &dir, &limits, &stop).await?;
            probes.push(started.elapsed());
            let plan = plan(&source, profile, 2, &limits);
            strategy = Some(plan.strategy);
            let started = Instant::now();
            let report = run(&tools, &plan, &dir, &limits, &stop, |_| {}).await?;
            runs.push(started.elapsed());
            let started = Instant::now();
            verify(&tools, &plan, &report, &dir, &limits, &stop).await?;
            verifies.push(started.elapsed());
            dir.remove()?;
        }
        let [probe, run, verify] = [probes, runs, verifies].map(median);
        println!("{sandbox:?} {strategy:?}: probe {probe:?}, run {run:?}, verify {verify:?}");
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
