"""Reads templates as CloudFormation does, and asks cfn-guard about them.

Standard input: {"rules": FOLDER or null, "asked": [{"file": PATH, "changes": {POINTER: VALUE}}]}
Standard output: one {"template": …, "guard": {RULE: "PASS" | "FAIL" | "SKIP"}} for each asked.

A change to null removes what is there.
"""

import json
import pathlib
import re
import sys

import yaml


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    pass


def short_form(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else "Fn::" + suffix
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


Loader.add_multi_constructor("!", short_form)
# CloudFormation knows no dates; a version of the language is a text.
Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)


def change(template, pointer, value):
    *way, last = pointer.lstrip("/").split("/")
    # JSON pointers write a slash within a name so.
    way, last = [step.replace("~1", "/") for step in way], last.replace("~1", "/")
    at = template
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if isinstance(at, list):
        last = int(last)
    if value is None:
        del at[last]
    else:
        at[last] = value


def guard(template, rules):
    # The package's own wrapper cannot read the report of a rule that has an `or`.
    from cfn_guard_rs.cfn_guard_rs import run_checks_rs

    data = json.dumps(template)
    said = {}
    for rule_file in rules:
        # A long report is cut: only its end comes. A rule that holds makes no long one, so each is
        # asked alone then, and one whose report is cut has failed.
        for some in [rule_file], alone(rule_file):
            reports = [run_checks_rs(data, one, False) for one in some]
            if len(reports) > 1 or reports[0].startswith("{"):
                break
        for one, report in zip(some, reports):
            if report.startswith("{"):
                answer = json.loads(report)
                said |= {failed["Rule"]["name"]: "FAIL" for failed in answer["not_compliant"]}
                said |= {name: "PASS" for name in answer["compliant"]}
                said |= {name: "SKIP" for name in answer["not_applicable"]}
            else:
                assert report.endswith('"compliant": []\n}'), report
                said[re.search(r"^rule (\w+)", one, re.M).group(1)] = "FAIL"
    return said


def alone(rule_file):
    """The file once for each of its rules, with that rule only. A rule ends with a brace of its own line."""
    rules = re.findall(r"^rule \w+.*?^}\n", rule_file, re.M | re.S)
    names = re.sub(r"^rule \w+.*?^}\n", "", rule_file, flags=re.M | re.S)
    return [names + rule for rule in rules]


def main():
    asked = json.load(sys.stdin)
    rules = []
    if asked["rules"]:
        rules = [path.read_text() for path in sorted(pathlib.Path(asked["rules"]).glob("*.guard"))]
    answers = []
    for one in asked["asked"]:
        template = yaml.load(pathlib.Path(one["file"]).read_text(), Loader)
        for pointer, value in one["changes"].items():
            change(template, pointer, value)
        answers.append({"template": template, "guard": guard(template, rules)})
    json.dump(answers, sys.stdout)


main()
