use std::{path::Path, process::Stdio};

use serde_json::Value;

/// Our packages, as `cargo metadata` tells of them. Asked without a crate for it: those ask for
/// features of `serde_json` that no other package here does, and everything is compiled twice.
///
/// # Panics
///
/// Cargo does not answer.
#[must_use]
pub fn packages() -> Vec<Value> {
    #[expect(clippy::disallowed_methods, reason = "the repository's own rules ask cargo")]
    let output = std::process::Command::new("cargo")
        .args(["metadata", "--format-version=1", "--no-deps"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cargo: {error}"));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let packages = metadata["packages"].as_array().cloned();
    packages.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}
