//! Whose fault an abnormal end is: the input's, or ours.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::Signal;

use crate::child::Ended;
use crate::tools::Bound;
use crate::{Code, Error};

/// bwrap and shells report a signal as this plus its number.
const SIGNALLED: i32 = 128;

/// What a non-zero end that we did not cause means. `bad_input` is the code
/// for a plain refusal by the program.
pub(crate) fn exit(ended: &Ended, bound: &Bound, bad_input: Code) -> Error {
    let log = &ended.log;
    if log.disk_full {
        return Error::Failed("the disk is full".into());
    }
    if let Some(signal) = signal(ended) {
        return if signal == Signal::KILL && used_up(ended.cpu, bound.cpu()) {
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
    let wrapper = ["bwrap: ", "prlimit: ", "setpriv: "];
    if log.lines().any(|line| wrapper.iter().any(|name| line.starts_with(name))) {
        return Error::Failed(format!("the sandbox did not start: {}", log.last()));
    }
    if log.says("No such filter") || log.says("Unknown encoder") {
        return Error::Failed(format!("this ffmpeg lacks something: {}", log.last()));
    }
    bad_input.into()
}

/// Past its hard processor limit a child is killed without a word, so the time
/// it used tells. Two clocks of the kernel are compared, hence the margin.
fn used_up(cpu: Duration, limit: Duration) -> bool {
    cpu >= limit.mul_f64(0.9).saturating_sub(Duration::from_millis(250))
}

fn signal(ended: &Ended) -> Option<Signal> {
    let status = ended.status;
    let raw = ended.log.signal.or_else(|| status.signal());
    let raw = raw.or_else(|| {
        status.code().filter(|code| *code > SIGNALLED && *code < 255).map(|code| code - SIGNALLED)
    });
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
