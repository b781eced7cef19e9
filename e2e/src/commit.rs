use std::process::Stdio;

/// The commit that a result is of, marked where files were changed since.
#[must_use]
pub fn commit() -> String {
    #[expect(clippy::disallowed_methods, reason = "results name the commit they are of")]
    let output = std::process::Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
