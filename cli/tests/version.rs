//! That the executable runs at all. Being here, it also makes `cargo test` build the
//! executable that the whole-system tests start.

#[test]
fn the_executable_says_its_version() {
    #[expect(clippy::disallowed_methods, reason = "a test of the executable starts it")]
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_reelfleet"))
        .arg("--version")
        .output()
        .expect("the executable starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.trim(), concat!("reelfleet ", env!("CARGO_PKG_VERSION")));
}
