//! The command line around ffmpeg: limits, then confinement.
//!
//! ```text
//! prlimit (memory, CPU, file size) ▶ bwrap (only libraries and the job, no network) ▶ ffmpeg
//! ```

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::JobDir;

/// How many more seconds of processor time ffmpeg gets to end in good order.
const GRACE_S: u64 = 5;

/// What one child may touch and use.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    root: PathBuf,
    memory: u64,
    file_size: u64,
    /// Seconds of processor time.
    cpu: u64,
    /// Seconds beyond `cpu` to end in good order.
    grace: u64,
}

impl Bound {
    /// One job's directory, with the limits of this child.
    pub(crate) fn new(dir: &JobDir, memory: u64, file_size: u64, cpu: Duration) -> Bound {
        let cpu = cpu.as_secs().max(1);
        Bound { root: dir.path().to_owned(), memory, file_size, cpu, grace: GRACE_S }
    }

    /// For a program that knows no SIGXCPU. As a namespace's first process it
    /// would not even be killed by it.
    pub(crate) fn without_grace(mut self) -> Bound {
        self.grace = 0;
        self
    }

    /// The processor time this child may use.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_secs(self.cpu)
    }
}

/// How a child is confined.
#[derive(Debug, Clone)]
pub(super) enum Confinement {
    /// Namespaces: no network, no other files, no other processes.
    Bwrap(PathBuf),
    /// Dies with us; nothing more.
    Setpriv(PathBuf),
    /// Nothing.
    Bare,
}

/// The programs put in front of ffmpeg.
#[derive(Debug, Clone)]
pub(super) struct Wrapper {
    pub(super) prlimit: Option<PathBuf>,
    pub(super) confinement: Confinement,
}

impl Wrapper {
    /// `program` on `args`, wrapped. Without a bound: no job directory, no limits.
    #[expect(clippy::disallowed_methods, reason = "the one place a command line is made")]
    pub(super) fn command(
        &self,
        program: &Path,
        args: &[String],
        bound: Option<&Bound>,
    ) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let (Some(prlimit), Some(bound)) = (&self.prlimit, bound) {
            words.push(prlimit.into());
            words.extend(limits(bound).map(OsString::from));
            words.push("--".into());
        }
        match &self.confinement {
            Confinement::Bwrap(bwrap) => {
                words.push(bwrap.into());
                words.extend(bwrap_args(program, bound));
                words.push("--".into());
            }
            Confinement::Setpriv(setpriv) => {
                words.push(setpriv.into());
                words.extend(["--pdeathsig", "KILL", "--no-new-privs", "--"].map(OsString::from));
            }
            Confinement::Bare => {}
        }
        words.push(program.into());
        words.extend(args.iter().map(OsString::from));

        // The program itself is pushed above, so there is always a first word.
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
        if let (Some(bound), false) = (bound, matches!(self.confinement, Confinement::Bwrap(_))) {
            command.current_dir(&bound.root);
        }
        command
    }
}

fn limits(bound: &Bound) -> impl Iterator<Item = String> {
    // The hard CPU limit is a little above the soft one: ffmpeg turns the soft
    // one (SIGXCPU) into an orderly end we can recognise.
    let hard = bound.cpu.saturating_add(bound.grace);
    [
        format!("--as={}", bound.memory),
        format!("--fsize={}", bound.file_size),
        format!("--cpu={}:{hard}", bound.cpu),
        "--core=0".to_owned(),
        "--nofile=256".to_owned(),
    ]
    .into_iter()
}

// As the namespace's first process ffmpeg is bwrap's own child, which bwrap
// reaps. With bwrap's usual init between them, that init would be left to the
// machine's own, and stay a zombie in a container that has none.
fn bwrap_args(program: &Path, bound: Option<&Bound>) -> Vec<OsString> {
    let mut args: Vec<OsString> =
        ["--unshare-all", "--as-pid-1", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
            .map(OsString::from)
            .into();
    let mut bind = |how: &str, from: &Path, to: &Path| {
        args.extend([OsString::from(how), from.into(), to.into()]);
    };
    // The last one is where the programs of a release have their libraries (aws-deployment).
    for path in
        ["/usr", "/nix/store", "/etc/alternatives", "/etc/ld.so.cache", "/opt/reelfleet/lib"]
    {
        bind("--ro-bind-try", path.as_ref(), path.as_ref());
    }
    for path in ["/lib", "/lib64", "/bin"] {
        let path = Path::new(path);
        match std::fs::read_link(path) {
            Ok(target) => bind("--symlink", &target, path),
            Err(_) => bind("--ro-bind-try", path, path),
        }
    }
    for path in ["/dev/null", "/dev/urandom"] {
        bind("--dev-bind-try", path.as_ref(), path.as_ref());
    }
    if !program.starts_with("/usr") {
        bind("--ro-bind", program, program);
    }
    if let Some(bound) = bound {
        bind("--ro-bind", &bound.root.join("in"), "/job/in".as_ref());
        bind("--ro-bind", &bound.root.join("assets"), "/job/assets".as_ref());
        bind("--bind", &bound.root.join("out"), "/job/out".as_ref());
        args.extend(["--chdir", "/job"].map(OsString::from));
    }
    // The root is a tmpfs: left writable, it would be memory without a limit.
    args.extend(["--remount-ro", "/"].map(OsString::from));
    args
}
