//! The house's rules, in cfn-guard and in `house`.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    house,
    tools::{Asked, STACKS, ask, path_of},
};

#[test]
fn every_template_keeps_every_rule_of_the_house() {
    let asked: Vec<_> =
        STACKS.map(|stack| Asked { file: path_of(stack), changes: BTreeMap::new() }).into();
    let mut held = BTreeSet::new();
    for (stack, answer) in STACKS.iter().zip(ask(&asked, true)) {
        assert_eq!(answer.broken(), Vec::<&str>::new(), "{stack}");
        assert_eq!(house::broken(&answer.template), Vec::<&str>::new(), "{stack}");
        let passed = answer.guard.iter().filter(|(_, verdict)| *verdict == "PASS");
        held.extend(passed.map(|(rule, _)| rule.clone()));
        assert!(!answer.guard.is_empty());
    }
    // A rule that looks at nothing holds nothing.
    let first = ask(&asked[..1], true).remove(0);
    let idle: Vec<_> = first.guard.keys().filter(|rule| !held.contains(*rule)).collect();
    assert_eq!(idle, Vec::<&String>::new(), "rules that are about nothing of ours");
}
