//! Bare ffmpeg, two at a time, with the words that the fleet would use.

use std::{fs, path::Path, process::Command, time::Instant};

use crate::{
    Result,
    measured::{Cost, processor_seconds},
};

fn command(program: &str) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the yardstick is another program")]
    Command::new(program)
}

/// The words of the plan, as the fleet would make them, with one thread.
pub(crate) fn words(clip: &Path) -> Result<Vec<String>> {
    let output = command(env!("CARGO"))
        .args(["run", "--quiet", "--release", "-p", "reelfleet-media", "--example", "plan", "--"])
        .arg(clip)
        .args(["web", "1"])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?.lines().map(ToOwned::to_owned).collect())
}

/// Which ffmpeg.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build<'a> {
    /// What results call it: its folder is this machine's business.
    pub(crate) name: &'static str,
    /// Where it is; looked for as the fleet does when none is set.
    pub(crate) path: Option<&'a str>,
}

impl Build<'_> {
    pub(crate) const INSTALLED: Self = Self { name: "installed", path: None };
}

/// One ffmpeg and its words.
pub(crate) struct Bare<'a> {
    pub(crate) build: Build<'a>,
    pub(crate) words: &'a [String],
}

impl Bare<'_> {
    /// Runs it over `count` copies of the clip with `xargs -P 2`.
    pub(crate) fn batch(&self, folder: &Path, clip: &Path, count: usize) -> Result<Cost> {
        let root = folder.join("bare");
        let mut list = String::new();
        for index in 0..count {
            let dir = root.join(index.to_string());
            fs::create_dir_all(dir.join("out"))?;
            fs::hard_link(clip, dir.join("in"))
                .or_else(|_| fs::copy(clip, dir.join("in")).map(drop))?;
            list.push_str(&format!("{}\n", dir.display()));
        }
        let script = root.join("one.sh");
        let quoted: Vec<_> = self
            .words
            .iter()
            // A word of the filter holds quotes itself.
            .map(
                |word| {
                    if word.contains('\'') { format!("\"{word}\"") } else { format!("'{word}'") }
                },
            )
            .collect();
        let quoted = quoted.join(" ");
        fs::write(
            &script,
            format!("cd \"$1\" && exec {} {quoted} 2>log\n", self.build.path.unwrap_or("ffmpeg")),
        )?;
        let dirs = root.join("dirs");
        fs::write(&dirs, list)?;
        let before = processor_seconds()?;
        let began = Instant::now();
        let status = command("xargs")
            .args(["-P", "2", "-n", "1", "-a"])
            .arg(&dirs)
            .args(["sh"])
            .arg(&script)
            .status()?;
        let wall = began.elapsed().as_secs_f64();
        let processor = processor_seconds()? - before;
        fs::remove_dir_all(&root)?;
        if status.success() {
            Ok(Cost { wall, processor })
        } else {
            Err("bare ffmpeg failed".into())
        }
    }
}
