//! Every rule catches the mistake that it is there for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    house,
    tools::{Answer, Asked, ask, path_of, text},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates")
}

/// The rules that a template breaks, of both kinds.
fn broken(answer: &Answer) -> BTreeSet<String> {
    let of_guard = answer.broken().into_iter();
    of_guard.chain(house::broken(&answer.template)).map(str::to_owned).collect()
}

/// Each file is a small template with one mistake, most of them of the deployment that this one
/// replaces. Its second line names the rule.
#[test]
fn every_mistake_of_the_past_is_caught_by_the_rule_that_it_names() {
    let mut files: Vec<_> = fs::read_dir(folder().join("mistakes"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 10, "{files:?}");
    let asked: Vec<_> =
        files.iter().map(|file| Asked { file: file.clone(), changes: BTreeMap::new() }).collect();
    for (file, answer) in files.iter().zip(ask(&asked, true)) {
        let header = text(file);
        let named = header.lines().find_map(|line| line.strip_prefix("# Caught by: ")).unwrap();
        let broken = broken(&answer);
        assert!(broken.contains(named), "{}: {broken:?}", file.display());
    }
}

/// One change of a template of ours that breaks one rule.
struct Break {
    rule: String,
    asked: Asked,
}

fn breaks() -> Vec<Break> {
    let list: Vec<Value> = serde_saphyr::from_str(&text(&folder().join("breaks.yaml"))).unwrap();
    let one = |entry: Value| Break {
        rule: entry["rule"].as_str().unwrap().to_owned(),
        asked: Asked {
            file: path_of(entry["in"].as_str().unwrap()),
            changes: serde_json::from_value(entry["change"].clone()).unwrap(),
        },
    };
    list.into_iter().map(one).collect()
}

#[test]
fn every_rule_is_broken_by_its_mistake_and_no_other_rule_is() {
    let breaks = breaks();
    let (rules, asked): (Vec<_>, Vec<_>) =
        breaks.into_iter().map(|one| (one.rule, one.asked)).unzip();
    let answers = ask(&asked, true);
    let known: BTreeSet<String> = answers[0]
        .guard
        .keys()
        .cloned()
        .chain(house::RULES.map(|(name, _)| name.to_owned()))
        .collect();
    for (rule, (asked, answer)) in rules.iter().zip(asked.iter().zip(&answers)) {
        assert_eq!(broken(answer), BTreeSet::from([rule.clone()]), "{:?}", asked.changes);
    }
    let tried: BTreeSet<String> = rules.into_iter().collect();
    assert_eq!(tried, known, "each rule has its mistake");
}
