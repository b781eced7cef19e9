//! What the linters of others say.

use std::collections::BTreeSet;

use reelfleet_e2e::files_below;
use serde_json::Value;

use crate::tools::{STACKS, path_of, root, said, templates, text, tool, under};

#[test]
fn cfn_lint_finds_nothing() {
    let mut lint = tool("aws/bin/cfn-lint");
    // Warnings and hints count.
    let output = lint
        .args(["--non-zero-exit-code", "informational"])
        .args(STACKS.map(path_of))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn cfn_lint_finds_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.yaml");
    let whole = text(&path_of("03.5-sqs-queue"));
    let name = "MessageRetentionPeriod: 345600";
    assert!(whole.contains(name));
    std::fs::write(&broken, whole.replace(name, "MessageRetentionPeriod: 345600000")).unwrap();
    let output = tool("aws/bin/cfn-lint").arg(broken).output().unwrap();
    assert!(!output.status.success() && said(&output).contains("345600000"), "{}", said(&output));
}

/// Check and resource of each entry.
fn checks(report: &Value, kind: &str) -> BTreeSet<(String, String)> {
    let of = |check: &Value| {
        let resource = check["resource"].as_str().unwrap().rsplit('.').next().unwrap();
        (check["check_id"].as_str().unwrap().to_owned(), resource.to_owned())
    };
    report["results"][kind].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn checkov_finds_nothing_but_what_is_excused_and_every_excuse_is_needed() {
    let mut checkov = tool("checkov/bin/checkov");
    checkov.args(["--framework", "cloudformation", "--output", "json", "--skip-download"]);
    for stack in STACKS {
        checkov.arg("--file").arg(path_of(stack));
    }
    let output = checkov.output().unwrap();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    assert_eq!(checks(&report, "failed_checks"), BTreeSet::new());
    assert_eq!(report["summary"]["parsing_errors"], 0);
    assert!(checks(&report, "passed_checks").len() > 50);
    let mut excused = BTreeSet::new();
    for template in templates().values() {
        for (name, resource) in template["Resources"].as_object().unwrap() {
            for excuse in under(resource, "skip").iter().flat_map(|list| list.as_array().unwrap()) {
                excused.insert((excuse["id"].as_str().unwrap().to_owned(), name.clone()));
            }
        }
    }
    assert_eq!(checks(&report, "skipped_checks"), excused);
}

#[test]
fn every_excuse_gives_its_reason() {
    let mut seen = BTreeSet::new();
    for (stack, template) in templates() {
        for skip in under(&template, "skip") {
            for excuse in skip.as_array().unwrap() {
                let reason = excuse["comment"].as_str().unwrap_or_default();
                assert!(reason.split(' ').count() > 3, "{stack}: {excuse}");
                seen.insert(excuse["id"].as_str().unwrap().to_owned());
            }
        }
    }
    assert!(!seen.is_empty());
}

/// With pipefail, who stops reading makes the program before it fail, sometimes.
#[test]
fn no_script_pipes_into_who_may_stop_reading() {
    let folders = ["aws-deployment", "tools"].map(|folder| root().join(folder));
    let mut scripts = 0;
    for file in folders.iter().flat_map(|folder| files_below(folder)) {
        let Ok(script) = std::fs::read_to_string(&file) else { continue };
        if !script.starts_with("#!") && file.extension().is_none_or(|end| end != "sh") {
            continue;
        }
        scripts += 1;
        for line in script.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let into = line.split('|').skip(1).map(str::trim_start);
            for program in into {
                let quiet = program.strip_prefix("grep -").is_some_and(|options| {
                    options.split(' ').next().is_some_and(|options| options.contains('q'))
                });
                assert!(!quiet, "{}: {line}", file.display());
            }
        }
    }
    assert!(scripts > 15);
}
