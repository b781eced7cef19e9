//! The repository's own rules (ARCHITECTURE.md), as tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::MetadataCommand;

/// What each package may reach directly among ours. A new edge is a decision, not an accident.
const MAY_REACH: &[(&str, &[&str])] = &[
    ("reelfleet-job", &[]),
    ("reelfleet-runtime", &[]),
    ("reelfleet-scaling", &[]),
    ("reelfleet-media", &[]),
    ("reelfleet-db", &["reelfleet-job", "reelfleet-runtime"]),
    ("reelfleet-aws", &["reelfleet-runtime"]),
    ("reelfleet-storage", &["reelfleet-aws", "reelfleet-job", "reelfleet-runtime"]),
    ("reelfleet-queue", &["reelfleet-aws", "reelfleet-db", "reelfleet-job", "reelfleet-runtime"]),
    (
        "reelfleet-api",
        &[
            "reelfleet-db",
            "reelfleet-job",
            "reelfleet-queue",
            "reelfleet-runtime",
            "reelfleet-storage",
        ],
    ),
    (
        "reelfleet-worker",
        &[
            "reelfleet-db",
            "reelfleet-job",
            "reelfleet-media",
            "reelfleet-queue",
            "reelfleet-runtime",
            "reelfleet-storage",
        ],
    ),
    (
        "reelfleet",
        &[
            "reelfleet-api",
            "reelfleet-aws",
            "reelfleet-db",
            "reelfleet-job",
            "reelfleet-media",
            "reelfleet-queue",
            "reelfleet-runtime",
            "reelfleet-scaling",
            "reelfleet-storage",
            "reelfleet-worker",
        ],
    ),
    // For tests only: nobody may reach it but as a dependency of tests, which this does not look at.
    ("reelfleet-servers", &["reelfleet-aws"]),
    ("reelfleet-e2e", &[]),
    ("reelfleet-model", &["reelfleet-db", "reelfleet-job", "reelfleet-runtime"]),
    (
        "reelfleet-speed",
        &["reelfleet-aws", "reelfleet-db", "reelfleet-job", "reelfleet-queue", "reelfleet-runtime"],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap();
    metadata
        .packages
        .iter()
        .map(|package| {
            let normal = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == cargo_metadata::DependencyKind::Normal)
                .map(|dependency| dependency.name.clone())
                .collect();
            (package.name.to_string(), normal)
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<_, BTreeSet<_>> =
        MAY_REACH.iter().map(|(name, reach)| (*name, reach.iter().copied().collect())).collect();
    for (name, dependencies) in packages() {
        let Some(allowed) = allowed.get(name.as_str()) else {
            panic!("{name} is new: say in this test what it may reach");
        };
        for ours in dependencies.iter().filter(|name| name.starts_with("reelfleet")) {
            assert!(allowed.contains(ours.as_str()), "{name} must not reach {ours}");
        }
    }
}

#[test]
fn only_db_speaks_sql() {
    for (name, dependencies) in packages() {
        assert_eq!(dependencies.contains("sqlx"), name == "reelfleet-db", "{name}");
    }
}

#[test]
fn child_processes_start_in_media_and_in_the_local_fleet_only() {
    // clippy.toml bans the calls everywhere; this holds the places that are excepted.
    let allowed =
        ["crates/media/", "crates/servers/", "cli/src/fleet/", "e2e/", "api/tests/", "cli/tests/"];
    for (path, text) in sources() {
        let starts = text.contains("process::Command") || text.contains("Command::new(");
        let tests = text.contains("CommandFactory") || text.contains("MetadataCommand");
        assert!(
            !starts || tests || allowed.iter().any(|folder| path.starts_with(folder)),
            "{path} starts a child process"
        );
    }
}

#[test]
fn no_file_is_longer_than_400_lines() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 400, "{path} has {lines} lines: split it");
    }
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    for (path, _) in sources() {
        for name in ["util", "utils", "common", "helpers", "manager", "misc"] {
            let file = format!("/{name}.rs");
            let folder = format!("/{name}/");
            assert!(!path.ends_with(&file) && !path.contains(&folder), "{path}");
        }
    }
}

#[test]
fn the_example_environment_lists_what_the_executable_reads() {
    let output = reelfleet_e2e::reelfleet(&["config"], &[]);
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    let written = fs::read_to_string(root().join(".env.example")).unwrap();
    assert_eq!(written, printed, "run `reelfleet config > .env.example`");
    let page = fs::read_to_string(root().join("docs/CONFIGURATION.md")).unwrap();
    let variable = |name: &&str| {
        name.chars()
            .all(|letter| letter.is_ascii_uppercase() || letter == '_' || letter.is_ascii_digit())
    };
    let names = printed.lines().filter_map(|line| line.strip_prefix("# ")?.split_once('='));
    for name in names.map(|(name, _)| name).filter(variable) {
        assert!(page.contains(&format!("`{name}`")), "docs/CONFIGURATION.md lacks {name}");
    }
}

/// Every Rust file of ours with its path from the root.
fn sources() -> Vec<(String, String)> {
    let root = root().canonicalize().unwrap();
    ["api", "worker", "cli", "crates", "e2e"]
        .iter()
        .flat_map(|folder| reelfleet_e2e::files_below(&root.join(folder)))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}
