//! The repository's own rules (ARCHITECTURE.md), as tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

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
        "reelfleet-metric",
        &[
            "reelfleet-aws",
            "reelfleet-db",
            "reelfleet-job",
            "reelfleet-queue",
            "reelfleet-runtime",
            "reelfleet-scaling",
        ],
    ),
    (
        "reelfleet-api",
        &[
            "reelfleet-db",
            "reelfleet-job",
            "reelfleet-metric",
            "reelfleet-queue",
            "reelfleet-runtime",
            "reelfleet-storage",
        ],
    ),
    (
        "reelfleet-worker",
        &[
            "reelfleet-aws",
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
            "reelfleet-metric",
            "reelfleet-queue",
            "reelfleet-runtime",
            "reelfleet-scaling",
            "reelfleet-storage",
            "reelfleet-worker",
        ],
    ),
    // For tests only: nobody may reach it but as a dependency of tests, which this does not look at.
    ("reelfleet-servers", &["reelfleet-aws"]),
    ("reelfleet-e2e", &["reelfleet-servers"]),
    ("reelfleet-model", &["reelfleet-db", "reelfleet-job", "reelfleet-runtime"]),
    (
        "reelfleet-speed",
        &["reelfleet-aws", "reelfleet-db", "reelfleet-job", "reelfleet-queue", "reelfleet-runtime"],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Each package's name, and what it depends on but for its tests.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let name = |of: &Value| of["name"].as_str().unwrap().to_owned();
    let normal = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        dependencies.filter(|dependency| dependency["kind"].is_null()).map(name).collect()
    };
    reelfleet_e2e::packages().iter().map(|package| (name(package), normal(package))).collect()
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

/// Places in SQL that mean whichever columns a table has: a `*` where columns are named, and an
/// INSERT that names none.
fn unnamed_columns(text: &str) -> Vec<&str> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let star = |at: usize| {
        // Behind it a list goes on or ends; a product, or a dereference, has an operand there.
        let ends = text[at + 1..].starts_with([' ', '\n', ',', ')', '"']);
        let before = text[..at].trim_end();
        let word = before.rsplit(|letter| !is_name(letter)).next().unwrap_or_default();
        let begins = ["SELECT", "RETURNING", "DISTINCT"].contains(&&*word.to_ascii_uppercase());
        // `),*` is a macro's.
        let goes_on = before.ends_with(',') && !before.ends_with("),");
        ends && (begins || goes_on || text[..at].ends_with('.'))
    };
    let insert = |behind: usize| {
        let table = text[behind..].trim_start_matches(is_name).trim_start();
        let alias = table.strip_prefix("AS ").map(|alias| alias.trim_start_matches(is_name));
        !alias.unwrap_or(table).trim_start().starts_with('(')
    };
    let stars = text.match_indices('*').map(|(at, _)| at).filter(|at| star(*at));
    let inserts = text.match_indices("INTO ");
    let inserts = inserts.filter(|(at, word)| insert(at + word.len())).map(|(at, _)| at);
    stars.chain(inserts).map(|at| text[at..].lines().next().unwrap_or_default()).collect()
}

/// A statement that was prepared before a migration fails after it, if it has come to have more
/// columns.
#[test]
fn sql_names_its_columns() {
    for (text, found) in [
        ("SELECT * FROM jobs", true),
        ("SELECT j.*, a.at FROM jobs j", true),
        ("SELECT a.at,\n  j.*\n FROM jobs j", true),
        ("SELECT at, * FROM jobs", true),
        ("select distinct * from jobs", true),
        ("concat!(now!(), \") RETURNING *\")", true),
        ("INSERT INTO files VALUES (?)", true),
        ("INSERT INTO links SELECT ?, id FROM users", true),
        ("INSERT INTO files (video, name) VALUES (?, ?)", false),
        ("INSERT INTO duties AS d (name) VALUES (?)", false),
        ("SELECT count(*), a.at * 1000, ?1 / ?2 * ?2 FROM jobs", false),
        ("execute(&mut *transaction, *lane, **place)", false),
        ("$name($($arg: $ty),*) -> $ret", false),
    ] {
        assert_eq!(!unnamed_columns(text).is_empty(), found, "{text}");
    }
    let ours: Vec<_> =
        sources().into_iter().filter(|(path, _)| path.starts_with("crates/db/src/")).collect();
    assert!(!ours.is_empty());
    for (path, text) in ours {
        assert_eq!(unnamed_columns(&text), Vec::<&str>::new(), "{path}");
    }
}

#[test]
fn child_processes_start_in_media_and_in_the_local_fleet_only() {
    // clippy.toml bans the calls everywhere; this holds the places that are excepted.
    let allowed =
        ["crates/media/", "crates/servers/", "cli/src/fleet/", "e2e/", "api/tests/", "cli/tests/"];
    for (path, text) in sources() {
        let starts = text.contains("process::Command") || text.contains("Command::new(");
        let tests = text.contains("CommandFactory");
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
    for name in reelfleet_e2e::settings::known() {
        assert!(page.contains(&format!("`{name}`")), "docs/CONFIGURATION.md lacks {name}");
    }
}

/// The rows of the failure checklist that are about accepting, delivering, leaving and storing.
fn checklist() -> Vec<String> {
    let rows = |letter: char, last: u32| (1..=last).map(move |n| format!("{letter}{n}"));
    rows('A', 8).chain(rows('B', 23)).chain(rows('C', 11)).chain(rows('E', 4)).collect()
}

/// Rows that stand as words in a text.
fn rows_in(text: &str) -> BTreeSet<&str> {
    let is_row = |word: &&str| {
        let number = word.strip_prefix(['A', 'B', 'C', 'E']).unwrap_or_default();
        !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit())
    };
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(is_row).collect()
}

/// What each function's documentation names, by the function.
fn rows_of_functions(text: &str) -> Vec<(&str, BTreeSet<&str>)> {
    let (mut found, mut named) = (Vec::new(), BTreeSet::new());
    for line in text.lines().map(str::trim) {
        if let Some(said) = line.strip_prefix("/// ") {
            named.extend(rows_in(said));
        } else if let Some((_, name)) = line.split_once("fn ").filter(|_| !line.starts_with("//")) {
            let end = name.find(|letter: char| letter != '_' && !letter.is_alphanumeric());
            found.push((&name[..end.unwrap_or(name.len())], std::mem::take(&mut named)));
        } else if !line.starts_with("#[") {
            named.clear();
        }
    }
    found
}

#[test]
fn every_row_of_the_failure_checklist_is_a_test_or_says_why_not() {
    let page = fs::read_to_string(root().join("docs/SEMANTICS.md")).unwrap();
    let (_, section) = page.split_once("## Rows of the failure checklist").unwrap();
    let (section, _) = section.split_once("\n### ").unwrap();
    let mut table = BTreeMap::new();
    for line in section.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if let [_, row, required, shown, _] = cells[..] {
            table.insert(row, (required, shown));
        }
    }
    let sources: BTreeMap<_, _> = sources().into_iter().collect();
    for row in checklist() {
        let Some((required, shown)) = table.get(&*row) else {
            panic!("docs/SEMANTICS.md does not say where {row} is shown");
        };
        assert!(!required.is_empty() && !shown.is_empty(), "{row}");
        // Each test is a link to its file.
        let tests: Vec<_> = shown.split("[`").skip(1).collect();
        assert_eq!(tests.is_empty(), shown.starts_with("Not tested"), "{row}: {shown}");
        for test in tests {
            let (test, link) = test.split_once("`](../").unwrap();
            let (path, _) = link.split_once(')').unwrap();
            let text = sources.get(path).unwrap_or_else(|| panic!("{row}: there is no {path}"));
            let mut functions = rows_of_functions(text).into_iter();
            let Some((_, rows)) = functions.find(|(function, _)| *function == test) else {
                panic!("{row}: there is no {test} in {path}");
            };
            assert!(rows.contains(&*row), "the documentation of {test} does not name {row}");
        }
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
