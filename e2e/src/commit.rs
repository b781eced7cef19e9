use std::process::{Command, Stdio};

/// Results, which change when they are made.
const OURS: &str = ":(exclude)results";
const CAPACITY: &str = ":(exclude,top)capacity-planning/results";

/// The commit that a result is of, marked where anything but results was changed since.
#[must_use]
pub fn commit() -> String {
    let git = |words: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "results name the commit they are of")]
        let mut git = Command::new("git");
        git.args(words).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).output()
    };
    let Ok(head) = git(&["rev-parse", "--short", "HEAD"]) else { return String::new() };
    let changed = git(&["diff", "--quiet", "HEAD", "--", ":/", OURS, CAPACITY]);
    let dirty = changed.is_ok_and(|answer| answer.status.code() == Some(1));
    let head = String::from_utf8_lossy(&head.stdout).trim().to_owned();
    if dirty { head + "-dirty" } else { head }
}
