//! The AWS command line and `aws-deployment/deploy.sh` against an emulator.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

pub use crate::templates::deployment;
use crate::templates::said;

/// Where `tools/aws-templates` puts the command line.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/aws-templates/aws/bin");

/// An emulator, and somebody who calls it.
#[derive(Debug)]
pub struct Cloud {
    endpoint: String,
    home: TempDir,
}

/// What a script said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Exit code; None when a signal ended it.
    pub code: Option<i32>,
    /// Standard output, then standard error.
    pub text: String,
}

impl Said {
    /// Of a command that has ended.
    #[must_use]
    pub fn of(output: &Output) -> Self {
        Self { code: output.status.code(), text: said(output) }
    }

    /// That it went well.
    ///
    /// # Panics
    ///
    /// It did not.
    #[must_use]
    pub fn fine(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self.text
    }

    /// That it ended so, and said this.
    ///
    /// # Panics
    ///
    /// It did not.
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for word in words {
            assert!(self.text.contains(word), "{word:?} is not in:\n{}", self.text);
        }
    }
}

impl Cloud {
    /// Somebody with any key, and without the settings of who runs the tests.
    ///
    /// # Panics
    ///
    /// The command line is not installed.
    #[must_use]
    pub fn at(endpoint: &str) -> Self {
        assert!(Path::new(TOOLS).join("aws").exists(), "no aws command: run tools/aws-templates");
        let home = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        Self { endpoint: endpoint.to_owned(), home }
    }

    /// A folder that goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// A program that finds the aws command first, and the emulator by it.
    #[must_use]
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        #[expect(clippy::disallowed_methods, reason = "these tests are about programs")]
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env(
                "PATH",
                format!("{TOOLS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            )
            .env("HOME", self.home.path())
            .env("LANG", "C.UTF-8")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null());
        command
    }

    /// Calls AWS; its answer, null where there is none.
    ///
    /// # Panics
    ///
    /// It refuses.
    #[must_use]
    pub fn aws(&self, words: &[&str]) -> Value {
        let text = self.try_aws(words).fine();
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Calls AWS, which may refuse.
    #[must_use]
    pub fn try_aws(&self, words: &[&str]) -> Said {
        let mut command = self.command(Path::new(TOOLS).join("aws"));
        command.args(["--endpoint-url", &self.endpoint, "--output", "json"]).args(words);
        Said::of(&run(&mut command))
    }

    /// An output of a stack.
    ///
    /// # Panics
    ///
    /// It has none of this name.
    #[must_use]
    pub fn output(&self, stack: &str, key: &str) -> String {
        let answer = self.aws(&["cloudformation", "describe-stacks", "--stack-name", stack]);
        let outputs = answer["Stacks"][0]["Outputs"].as_array().cloned().unwrap_or_default();
        let found = outputs.iter().find(|output| output["OutputKey"] == key);
        let value = found.and_then(|output| output["OutputValue"].as_str());
        value.unwrap_or_else(|| panic!("{stack} has no output {key}")).to_owned()
    }

    /// Messages of a queue, those included that somebody has in hand.
    ///
    /// # Panics
    ///
    /// There is no such queue.
    #[must_use]
    pub fn messages(&self, queue_url: &str) -> u64 {
        let ask = ["sqs", "get-queue-attributes", "--attribute-names", "All", "--queue-url"];
        let told = self.aws(&[&ask[..], &[queue_url]].concat());
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let count = |name| told["Attributes"][name].as_str()?.parse::<u64>().ok();
        let counts: Option<u64> = names.into_iter().map(count).sum();
        counts.unwrap_or_else(|| panic!("{queue_url}: {told}"))
    }

    /// Runs `deploy.sh` for an environment; `--yes` is said already.
    #[must_use]
    pub fn deploy(&self, command: &str, environment: &str, words: &[&str]) -> Said {
        let mut script = self.script(command, environment);
        Said::of(&run(script.args(words)))
    }

    /// `deploy.sh`, to be given more.
    #[must_use]
    pub fn script(&self, command: &str, environment: &str) -> Command {
        let mut script = self.command(deployment().join("deploy.sh"));
        script
            .args([command, "--environment", environment, "--yes"])
            .args(["--endpoint-url", &self.endpoint]);
        script
    }
}

/// Runs it to its end.
///
/// # Panics
///
/// It cannot be started.
pub fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
