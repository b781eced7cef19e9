//! Templates as data, and the programs that judge them. Whatever goes wrong here panics.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

/// The stacks, in the order in which they are deployed.
pub const STACKS: [&str; 8] = [
    "01-vpc-networking",
    "01.5-nat-gateway",
    "02-s3-iam",
    "03.5-sqs-queue",
    "04-rds-database",
    "05-alb-autoscaling",
    "06-workers-autoscaling",
    "07-observability",
];

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The folder of the templates and scripts.
pub fn deployment() -> PathBuf {
    root().join("aws-deployment")
}

/// The file of a stack.
pub fn path_of(stack: &str) -> PathBuf {
    deployment().join(format!("{stack}.yaml"))
}

/// What a file holds.
pub fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A program that `tools/aws-templates` installs.
pub fn tool(name: &str) -> Command {
    let program = root().join(".tools/aws-templates").join(name);
    assert!(program.exists(), "{} is missing: run tools/aws-templates", program.display());
    #[expect(
        clippy::disallowed_methods,
        reason = "these tests are about what others' programs say"
    )]
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// All that a program said.
pub fn said(output: &Output) -> String {
    let (out, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{error}")
}

/// A template to be looked at, with what is changed in it first.
#[derive(Debug)]
pub struct Asked {
    /// Where it is.
    pub file: PathBuf,
    /// New values by JSON pointer; null removes what is there.
    pub changes: BTreeMap<String, Value>,
}

/// A template, and which rules of cfn-guard it keeps.
#[derive(Debug)]
pub struct Answer {
    /// The template.
    pub template: Value,
    /// `PASS`, `FAIL`, or `SKIP` where there is nothing that the rule is about.
    pub guard: BTreeMap<String, String>,
}

impl Answer {
    /// Rules that it breaks.
    pub fn broken(&self) -> Vec<&str> {
        let failed = self.guard.iter().filter(|(_, verdict)| *verdict == "FAIL");
        failed.map(|(rule, _)| rule.as_str()).collect()
    }
}

/// Reads templates, and asks cfn-guard about them with the rules of this repository.
pub fn ask(asked: &[Asked], with_guard: bool) -> Vec<Answer> {
    let rules = with_guard.then(|| deployment().join("rules"));
    let one = |asked: &Asked| json!({"file": asked.file, "changes": asked.changes});
    let question = json!({"rules": rules, "asked": asked.iter().map(one).collect::<Vec<_>>()});
    let mut python = tool("aws/bin/python");
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/read.py"));
    let mut python = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), asked.len());
    let answer = |mut answer: Value| Answer {
        template: answer["template"].take(),
        guard: serde_json::from_value(answer["guard"].take()).unwrap(),
    };
    answers.into_iter().map(answer).collect()
}

/// Our templates, by stack.
pub fn templates() -> BTreeMap<&'static str, Value> {
    let asked: Vec<_> =
        STACKS.map(|stack| Asked { file: path_of(stack), changes: BTreeMap::new() }).into();
    let answers = ask(&asked, false).into_iter().map(|answer| answer.template);
    STACKS.into_iter().zip(answers).collect()
}

/// The resources of one type, by name.
pub fn resources<'a>(
    template: &'a Value,
    kind: &'a str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let all = template["Resources"].as_object().unwrap().iter();
    all.filter(move |(_, resource)| resource["Type"] == kind)
}

/// Every value below this one that stands under the given name.
pub fn under<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(field, value)| {
                let own = (field == name).then_some(value);
                own.into_iter().chain(under(value, name))
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(|value| under(value, name)).collect(),
        _ => Vec::new(),
    }
}
