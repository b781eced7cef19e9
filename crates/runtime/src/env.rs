use std::{collections::HashMap, fmt, fs::File, io::Read as _, str::FromStr};

use secrecy::SecretString;

/// One environment variable: its name, what it is when unset, and what it does.
///
/// Each crate lists its own beside the code they configure. `.env.example` and
/// docs/CONFIGURATION.md are compared with these lists by a test.
#[derive(Debug, Clone, Copy)]
pub struct Var {
    /// The name, upper case.
    pub name: &'static str,
    /// The value when unset; empty means "not set".
    pub default: &'static str,
    /// One sentence, with the unit.
    pub help: &'static str,
}

impl Var {
    /// Declares a variable.
    #[must_use]
    pub const fn new(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self { name, default, help }
    }

    /// The variable that names a file which holds the value.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}_FILE", self.name)
    }
}

/// A file that holds a value is never longer.
const LONGEST_FILE: u64 = 64 << 10;

/// Every wrong variable, each with what is wrong. Never holds a value: it could be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadConfig {
    problems: Vec<String>,
}

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration is wrong:")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BadConfig {}

/// Reads variables and collects what is wrong, so that one message can name all of it.
#[derive(Debug)]
pub struct Vars {
    values: HashMap<String, String>,
    problems: Vec<String>,
}

impl Vars {
    /// The environment of this process. The values of `vars` may be in files.
    #[must_use]
    pub fn process(vars: impl IntoIterator<Item = Var>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let values = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::of(values).with_files(vars)
    }

    /// Reads the values of `vars` that are not set from the files that `NAME_FILE` names.
    ///
    /// So secrets stay out of the environment, which others see more of than of a file.
    #[must_use]
    pub fn with_files(mut self, vars: impl IntoIterator<Item = Var>) -> Self {
        for var in vars {
            let path = self.values.get(&var.file_name()).filter(|path| !path.is_empty());
            let (Some(path), None) = (path, self.given(&var)) else { continue };
            match read_value(path) {
                Ok(value) => self.set(&var, value),
                Err(why) => self.problems.push(format!("{}: {why}", var.file_name())),
            }
        }
        self
    }

    /// Given variables, for tests and for `up`, which sets its own.
    pub fn of<N: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (N, V)>) -> Self {
        let values = values.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        Self { values, problems: Vec::new() }
    }

    /// Sets a variable for what is read from here on.
    pub fn set(&mut self, var: &Var, value: impl Into<String>) {
        self.values.insert(var.name.to_owned(), value.into());
    }

    /// The value as set by the user. An empty value counts as unset, as in a `.env` file.
    #[must_use]
    pub fn given(&self, var: &Var) -> Option<&str> {
        self.values.get(var.name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value, or the default, or `None` where the default is empty.
    #[must_use]
    pub fn text(&self, var: &Var) -> Option<String> {
        let value = self.given(var).unwrap_or(var.default);
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A secret's value. It prints as `[REDACTED]`.
    #[must_use]
    pub fn secret(&self, var: &Var) -> Option<SecretString> {
        self.text(var).map(SecretString::from)
    }

    /// The value read as `T`. A wrong one is noted and the default stands in for it.
    pub fn parse<T>(&mut self, var: &Var) -> T
    where
        T: FromStr + Default,
        T::Err: fmt::Display,
    {
        let given = self.given(var).unwrap_or(var.default).to_owned();
        given.parse().unwrap_or_else(|error| {
            self.problem(var, format!("{error} (default: {})", var.default));
            T::default()
        })
    }

    /// The value read as `T`, or `None` where it is unset and has no default.
    pub fn parse_optional<T>(&mut self, var: &Var) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        match self.text(var)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(var, error.to_string());
                None
            }
        }
    }

    /// Notes what is wrong with a variable.
    pub fn problem(&mut self, var: &Var, what: impl fmt::Display) {
        self.problems.push(format!("{}: {what}", var.name));
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// Everything that was noted, in one error.
    pub fn finish(self) -> Result<(), BadConfig> {
        if self.problems.is_empty() { Ok(()) } else { Err(BadConfig { problems: self.problems }) }
    }

    /// What was wrong so far, for who goes on reading.
    ///
    /// # Errors
    ///
    /// Everything that was noted, in one error.
    pub fn check(&self) -> Result<(), BadConfig> {
        let problems = self.problems.clone();
        if problems.is_empty() { Ok(()) } else { Err(BadConfig { problems }) }
    }
}

/// What a file holds, without the end of its last line.
fn read_value(path: &str) -> Result<String, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
        .map_err(|error| format!("the file cannot be read: {error}"))?;
    let value = text.trim_end_matches(['\r', '\n']);
    if value.is_empty() { Err("the file is empty".to_owned()) } else { Ok(value.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Var = Var::new("ONE", "1", "");
    const TWO: Var = Var::new("TWO", "", "");

    #[test]
    fn an_unset_variable_takes_its_default_and_an_empty_one_counts_as_unset() {
        let mut vars = Vars::of([("ONE", "")]);
        assert_eq!(vars.parse::<u32>(&ONE), 1);
        assert_eq!(vars.parse_optional::<u32>(&TWO), None);
        assert_eq!(vars.finish(), Ok(()));
    }

    #[test]
    fn every_wrong_variable_is_named_and_no_value_is_shown() {
        let mut vars = Vars::of([("ONE", "hunter2"), ("TWO", "hunter3")]);
        let _: u32 = vars.parse(&ONE);
        let _: Option<u32> = vars.parse_optional(&TWO);
        let message = vars.finish().unwrap_err().to_string();
        assert!(message.contains("ONE: ") && message.contains("TWO: "), "{message}");
        assert!(!message.contains("hunter"), "{message}");
    }
    fn from_file(name: &str, value: &str, content: &str) -> Vars {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, content).unwrap();
        let path = file.path().display().to_string();
        Vars::of([("TWO_FILE", path.as_str()), (name, value)]).with_files([ONE, TWO])
    }

    #[test]
    fn a_value_can_be_in_a_file_without_its_last_line_end() {
        let vars = from_file("", "", "hunter2\n");
        assert_eq!(vars.text(&TWO).as_deref(), Some("hunter2"));
        assert_eq!(vars.text(&ONE).as_deref(), Some("1"));
        assert_eq!(vars.finish(), Ok(()));
    }

    #[test]
    fn a_variable_wins_over_its_file_and_an_empty_one_does_not() {
        assert_eq!(from_file("TWO", "set", "file").text(&TWO).as_deref(), Some("set"));
        assert_eq!(from_file("TWO", "", "file").text(&TWO).as_deref(), Some("file"));
    }

    #[test]
    fn a_file_that_is_missing_or_empty_is_a_wrong_variable() {
        let missing = Vars::of([("TWO_FILE", "/nowhere/hunter2")]).with_files([TWO]);
        for vars in [missing, from_file("", "", "\n")] {
            let message = vars.finish().unwrap_err().to_string();
            assert!(message.contains("TWO_FILE: ") && !message.contains("hunter"), "{message}");
        }
        // Whoever else has a variable of such a name means something else by it.
        assert_eq!(Vars::of([("SSL_CERT_FILE", "/nowhere")]).with_files([TWO]).finish(), Ok(()));
    }
}
