//! The harness of the whole-system tests: a real fleet in a temporary folder, spoken to as its users do.
//!
//! ```text
//! test ─► Fleet::start ─► `reelfleet up` ─► workers ─► ffmpeg
//!           │ http: submit, wait, list             ▲
//!           └ signals: kill -9, stop, continue ────┘
//! ```
//!
//! ```no_run
//! use reelfleet_e2e::{Fleet, clips};
//!
//! let fleet = Fleet::start(&["--max", "1"], &[]);
//! let video = fleet.submit(&clips::short(fleet.folder()), "web");
//! assert_eq!(fleet.wait_final(&video)["status"], "ready");
//! ```

mod at_work;
pub mod canary;
pub mod clips;
pub mod cloud;
mod commit;
pub mod deployed;
mod early;
mod fleet;
pub mod hostile;
mod http;
pub mod media;
mod packages;
pub mod playable;
pub mod processes;
mod role;
pub mod settings;
pub mod settled;
pub mod small_disk;
pub mod stage;
pub mod store;
mod submit;
pub mod templates;
mod verdict;
pub mod way;
pub mod wire;
pub mod worker;

use std::time::{Duration, Instant};

pub use commit::commit;
pub use deployed::Deployed;
pub use early::Early;
pub use fleet::{Fleet, command, executable, files_below, reelfleet};
pub use http::{Answer, Client};
pub use packages::packages;
pub use role::{Role, encodes};
pub use submit::took_s;
pub use verdict::{CODES, LIMITS, Verdict};

/// Waits for a condition, looking every few milliseconds; says what was waited for when it does not come.
///
/// # Panics
///
/// When the condition does not hold within `at_most`.
pub fn wait_for<T>(what: &str, at_most: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + at_most;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < until, "waited {at_most:?} in vain for {what}");
        pause();
    }
}

/// The pause between two looks at a condition.
pub fn pause() {
    #[expect(clippy::disallowed_methods, reason = "the pause between two looks at a condition")]
    std::thread::sleep(Duration::from_millis(20));
}
