//! Names that the executable reads: a test must not set another, and inherits none.

use std::{collections::BTreeSet, fs, path::Path};

/// Every name in `.env.example`, which a test compares with the executable.
///
/// # Panics
///
/// It cannot be read.
#[must_use]
pub fn known() -> BTreeSet<String> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.env.example");
    let text = fs::read_to_string(example).unwrap_or_else(|error| panic!("{error}"));
    let name = |line: &str| {
        let (name, _) = line.strip_prefix("# ")?.split_once('=')?;
        let of_a_name = |letter: char| matches!(letter, 'A'..='Z' | '0'..='9' | '_');
        name.chars().all(of_a_name).then(|| name.to_owned())
    };
    text.lines().filter_map(name).collect()
}

/// What is to be taken out of the environment of whoever runs the tests.
pub(crate) fn all() -> impl Iterator<Item = String> {
    known().into_iter().flat_map(|name| [format!("{name}_FILE"), name])
}

/// The executable cannot tell a misspelt setting from any other variable: the test
/// that sets one would go by the default and say nothing.
///
/// # Panics
///
/// Nothing reads one of these names.
pub fn check<'a>(names: impl IntoIterator<Item = &'a str>) {
    let known = known();
    for name in names {
        let of_file = name.strip_suffix("_FILE").unwrap_or(name);
        assert!(known.contains(of_file), "a test sets {name}, which nothing reads");
    }
}
