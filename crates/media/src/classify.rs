//! Whose fault an abnormal end is: the input's, or ours.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use crate::child::Ended;
use crate::tools::Bound;
use crate::{Code, Error};

/// bwrap and shells report a signal as this plus its number.
const SIGNALLED: i32 = 128;

/// What ffmpeg exits with when a signal told it to end in good order. It names
/// the signal only at a log level that would describe the input, too.
const TOLD_TO_END: i32 = 255;

/// What a non-zero end that we did not cause means. `bad_input` is the code
/// for a plain refusal by the program.
pub(crate) fn exit(ended: &Ended, bound: &Bound, bad_input: Code) -> Error {
    let log = &ended.log;
    if log.disk_full {
        return Error::Failed("the disk is full".into());
    }
    let out_of_time = used_up(ended.cpu, bound.cpu());
    if let Some(signal) = signal(ended.status) {
        return if signal == Signal::KILL && out_of_time {
            Code::TooSlow.into()
        } else {
            on_signal(signal, bad_input)
        };
    }
    // As a namespace's first process ffmpeg is not killed by SIGXFSZ: it sees
    // the error and reports it.
    if log.file_too_large {
        return Code::OutputTooLarge.into();
    }
    if log.too_large {
        return Code::PictureTooLarge.into();
    }
    if log.no_memory {
        return Code::TooMuchMemory.into();
    }
    if ended.status.code() == Some(TOLD_TO_END) {
        return if out_of_time {
            Code::TooSlow.into()
        } else {
            // A service manager that ends everything of ours, or an operator.
            Error::Failed("ffmpeg was told to end".into())
        };
    }
    let wrapper = ["bwrap: ", "prlimit: ", "setpriv: "];
    if log.lines().any(|line| wrapper.iter().any(|name| line.starts_with(name))) {
        return Error::Failed(format!("the sandbox did not start: {}", log.last()));
    }
    if log.says("No such filter") || log.says("Unknown encoder") {
        return Error::Failed(format!("this ffmpeg lacks something: {}", log.last()));
    }
    bad_input.into()
}

/// Past its processor limit a child ends without saying so, whether in good
/// order or killed: the time it used tells. Two clocks of the kernel are
/// compared, hence the margin.
fn used_up(cpu: Duration, limit: Duration) -> bool {
    cpu >= limit.mul_f64(0.9).saturating_sub(Duration::from_millis(250))
}

fn signal(status: ExitStatus) -> Option<Signal> {
    let code = status.code().filter(|code| *code > SIGNALLED && *code < TOLD_TO_END);
    let raw = status.signal().or_else(|| code.map(|code| code - SIGNALLED));
    raw.and_then(Signal::from_named_raw)
}

fn on_signal(signal: Signal, bad_input: Code) -> Error {
    match signal {
        Signal::XFSZ => Code::OutputTooLarge.into(),
        Signal::XCPU => Code::TooSlow.into(),
        // A decoder that crashes on an input crashes on it again.
        Signal::SEGV | Signal::ABORT | Signal::BUS | Signal::ILL | Signal::FPE | Signal::SYS => {
            bad_input.into()
        }
        // The kernel's out-of-memory killer, an operator, a service manager.
        other => Error::Failed(format!("ffmpeg was killed by signal {}", other.as_raw())),
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::child::{Bounds, Stdout, Task, supervise};
    use crate::{JobDir, SandboxMode, ToolSettings, Tools};

    #[tokio::test]
    async fn the_real_ffmpeg_is_too_slow_when_its_processor_time_is_used_up() {
        let temp = tempfile::tempdir().expect("temporary directory");
        let dir = JobDir::create(temp.path(), "job").expect("job directory");
        std::fs::write(dir.input(), b"not read").expect("input");
        let endless =
            "-nostdin -hide_banner -loglevel level+warning -stats -f lavfi -i testsrc2 -f null -";
        let args: Vec<String> = endless.split_whitespace().map(str::to_owned).collect();
        for sandbox in [SandboxMode::Require, SandboxMode::Off] {
            let found = Tools::find(&ToolSettings { sandbox, ..ToolSettings::default() });
            let tools = found.unwrap_or_else(|err| panic!("{err}; `make test` installs it"));
            // In good order, and killed as one that heeds no warning.
            let bound = Bound::new(&dir, 4 << 30, 1 << 20, Duration::from_secs(1));
            for bound in [bound.clone(), bound.without_grace()] {
                let task = Task { command: tools.ffmpeg(&args, &bound), stdout: Stdout::Closed };
                let bounds = Bounds { wall: Duration::from_secs(120), stall: None };
                let stop = CancellationToken::new();
                let ended = supervise(task, bounds, &stop, |_| {}).await.expect("it starts");
                let means = exit(&ended, &bound, Code::Undecodable);
                assert!(
                    matches!(&means, Error::Rejected(reason) if reason.code == "too_slow"),
                    "{sandbox:?}: {means}, {ended:?}"
                );
            }
        }
        dir.remove().expect("removal");
    }
}
