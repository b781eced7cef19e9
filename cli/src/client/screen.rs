use std::io::{self, BufRead, IsTerminal, Write};

use serde_json::Value;

use super::Result;

/// Where results and messages go: results to standard output, the rest to standard error.
pub(super) struct Screen {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    /// Somebody can answer questions.
    pub(super) interactive: bool,
    /// Messages go to a terminal, so that they may move.
    pub(super) terminal: bool,
}

impl Screen {
    /// The process's own.
    pub(super) fn standard() -> Self {
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
            terminal: io::stderr().is_terminal(),
        }
    }

    /// Prints a result as it is.
    pub(super) fn print(&mut self, text: &str) -> Result<()> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }

    /// Prints a result for programs.
    pub(super) fn json(&mut self, value: &Value) -> Result<()> {
        self.print(&format!("{value:#}\n"))
    }

    /// Prints a message. If nobody can see it, that is no reason to stop.
    pub(super) fn note(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }

    /// Asks for a yes.
    pub(super) fn confirm(&mut self, question: &str) -> Result<bool> {
        write!(self.err, "{question} [y/N] ")?;
        self.err.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was printed, for a test to look at.
    #[derive(Clone, Default)]
    pub(crate) struct Printed(Arc<Mutex<Vec<u8>>>);

    impl Printed {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Printed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A screen that is no terminal, with what it prints to either side.
    pub(crate) fn screen() -> (Screen, Printed, Printed) {
        let (out, err) = (Printed::default(), Printed::default());
        let screen = Screen {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            interactive: false,
            terminal: false,
        };
        (screen, out, err)
    }
}
