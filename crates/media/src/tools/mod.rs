//! Which ffmpeg there is, and how safely it can be run.

mod sandbox;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::child::{Ended, Stdout, Task, supervise_blocking};

pub(crate) use sandbox::Bound;
use sandbox::{Confinement, Wrapper};

/// Where programs are looked for when no path is given. What a release brings comes first.
const PLACES: [&str; 6] = [
    "/opt/reelfleet/bin",
    "/usr/bin",
    "/usr/local/bin",
    "/bin",
    "/opt/homebrew/bin",
    "/run/current-system/sw/bin",
];

/// A start that takes longer than this is a machine in trouble.
const START: Duration = Duration::from_secs(20);

/// How ffmpeg is to be found and confined.
#[derive(Debug, Clone, Default)]
pub struct ToolSettings {
    /// The ffmpeg executable; looked for in the usual places when absent.
    pub ffmpeg: Option<PathBuf>,
    /// The ffprobe executable; beside ffmpeg when absent.
    pub ffprobe: Option<PathBuf>,
    /// Whether the sandbox is wanted, required or off.
    pub sandbox: SandboxMode,
}

/// What to do about bubblewrap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SandboxMode {
    /// Use it where it works, degrade loudly where it does not.
    #[default]
    Auto,
    /// Refuse to start without it.
    Require,
    /// Do not use it. For debugging.
    Off,
}

/// Why video cannot be processed on this machine.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// A program is not where it should be.
    #[error("{0} was not found; install ffmpeg 5.1 or newer, or set its path")]
    Missing(&'static str),
    /// It is there but does not run.
    #[error("{program} does not run: {why}")]
    Broken {
        /// Which program.
        program: &'static str,
        /// What it said.
        why: String,
    },
    /// It runs but cannot do what the profiles need.
    #[error("this ffmpeg is not usable: {0}")]
    Unsuitable(String),
    /// The sandbox is required and does not work.
    #[error("the sandbox is required but does not work here: {0}")]
    NoSandbox(String),
}

/// A working ffmpeg and ffprobe with the best confinement this machine has.
#[derive(Debug, Clone)]
pub struct Tools {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
    wrapper: Wrapper,
    version: String,
    degraded: Option<String>,
}

impl Tools {
    /// Finds the programs and really runs ffmpeg once inside the sandbox.
    pub fn find(settings: &ToolSettings) -> Result<Tools, ToolError> {
        let ffmpeg = program(settings.ffmpeg.as_deref(), "ffmpeg", None)?;
        let ffprobe = program(settings.ffprobe.as_deref(), "ffprobe", ffmpeg.parent())?;
        let (wrapper, degraded) = confine(settings.sandbox, &ffmpeg)?;
        let mut tools = Tools { ffmpeg, ffprobe, wrapper, version: String::new(), degraded };
        let said =
            tools.run_version().map_err(|why| ToolError::Broken { program: "ffmpeg", why })?;
        tools.version = suitable(&said)?;
        if !said.contains("--enable-libzimg") {
            tools.degrade("this ffmpeg lacks libzimg: HDR videos will fail");
        }
        Ok(tools)
    }

    /// A sentence to log loudly when confinement is weaker than it should be.
    pub fn degraded(&self) -> Option<&str> {
        self.degraded.as_deref()
    }

    /// ffmpeg's version as it names itself.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// ffmpeg on `args`, confined to one job's directory.
    pub(crate) fn ffmpeg(&self, args: &[String], bound: &Bound) -> Command {
        self.wrapper.command(&self.ffmpeg, args, Some(bound))
    }

    /// ffprobe on `args`, confined to one job's directory.
    pub(crate) fn ffprobe(&self, args: &[String], bound: &Bound) -> Command {
        self.wrapper.command(&self.ffprobe, args, Some(bound))
    }

    fn run_version(&self) -> Result<String, String> {
        version(&self.wrapper, &self.ffmpeg)
    }

    fn degrade(&mut self, sentence: &str) {
        let all = match self.degraded.take() {
            Some(first) => format!("{first}; {sentence}"),
            None => sentence.to_owned(),
        };
        self.degraded = Some(all);
    }
}

/// The strongest wrapper the mode allows and the machine supports.
fn confine(mode: SandboxMode, ffmpeg: &Path) -> Result<(Wrapper, Option<String>), ToolError> {
    let prlimit = find("prlimit");
    let weaker = |why: &str| {
        let setpriv = find("setpriv");
        let confinement = match setpriv {
            Some(setpriv) => Confinement::Setpriv(setpriv),
            None => Confinement::Bare,
        };
        let mut says = format!("ffmpeg runs WITHOUT a sandbox: {why}");
        if prlimit.is_none() {
            says.push_str("; prlimit is missing too, memory and file size are NOT limited");
        }
        (Wrapper { prlimit: prlimit.clone(), confinement }, Some(says))
    };
    if mode == SandboxMode::Off {
        return Ok(weaker("it is switched off"));
    }
    let tried = match find("bwrap") {
        None => Err("bubblewrap (bwrap) is not installed".to_owned()),
        Some(bwrap) => {
            let wrapper =
                Wrapper { prlimit: prlimit.clone(), confinement: Confinement::Bwrap(bwrap) };
            version(&wrapper, ffmpeg).map(|_| wrapper)
        }
    };
    match tried {
        Ok(wrapper) if wrapper.prlimit.is_some() => Ok((wrapper, None)),
        Ok(wrapper) => {
            Ok((wrapper, Some("prlimit is missing: memory and file size are NOT limited".into())))
        }
        Err(why) if mode == SandboxMode::Require => Err(ToolError::NoSandbox(why)),
        Err(why) => Ok(weaker(&why)),
    }
}

fn version(wrapper: &Wrapper, ffmpeg: &Path) -> Result<String, String> {
    let command = wrapper.command(ffmpeg, &["-version".to_owned()], None);
    let task = Task { command, stdout: Stdout::Keep(64 << 10) };
    let Ended { cut, status, stdout, log, .. } =
        supervise_blocking(task, START).map_err(|err| err.to_string())?;
    match (cut, status.success()) {
        (Some(_), _) => Err("it did not answer".to_owned()),
        (None, false) => Err(format!("{status}: {}", log.last())),
        (None, true) => Ok(String::from_utf8_lossy(&stdout).into_owned()),
    }
}

/// The version, if it is new enough and has the encoder every profile needs.
fn suitable(said: &str) -> Result<String, ToolError> {
    let version = ffmpeg_sidecar::log_parser::try_parse_version(said.lines().next().unwrap_or(""))
        .ok_or_else(|| ToolError::Unsuitable("it does not tell its version".into()))?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    // A build from git has no number; it is taken for new.
    if let (Some(Ok(major)), minor) = (numbers.next(), numbers.next())
        && (major, minor.and_then(Result::ok).unwrap_or(0)) < (5, 1)
    {
        return Err(ToolError::Unsuitable(format!("version {version} is older than 5.1")));
    }
    if !said.contains("--enable-libx264") {
        return Err(ToolError::Unsuitable("it was built without libx264".into()));
    }
    Ok(version)
}

fn program(
    given: Option<&Path>,
    name: &'static str,
    beside: Option<&Path>,
) -> Result<PathBuf, ToolError> {
    let found = match given {
        Some(path) => path.canonicalize().ok().filter(|path| path.is_file()),
        None => {
            beside.map(|dir| dir.join(name)).filter(|path| path.is_file()).or_else(|| find(name))
        }
    };
    found.ok_or(ToolError::Missing(name))
}

fn find(name: &str) -> Option<PathBuf> {
    PLACES.iter().map(|dir| Path::new(dir).join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_ffmpeg_or_one_without_x264_is_refused_with_its_reason() {
        let said = |version: &str, flags: &str| {
            format!("ffmpeg version {version} Copyright\nconfiguration: {flags}\n")
        };
        let x264 = "--enable-libx264";
        assert_eq!(
            suitable(&said("5.1.9-0+deb12u1", x264)).ok().as_deref(),
            Some("5.1.9-0+deb12u1")
        );
        assert!(suitable(&said("N-110223-gb18a9c2971", x264)).is_ok());
        assert!(suitable(&said("4.4.2", x264)).is_err());
        assert!(suitable(&said("5.0", x264)).is_err());
        assert!(suitable(&said("6.1", "--enable-gpl")).is_err());
        assert!(suitable("").is_err());
    }
}
