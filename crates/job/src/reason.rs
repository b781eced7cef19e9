use std::fmt;

/// Why a job gave up: a code that programs can rely on and a sentence its owner understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Stable, `snake_case`.
    pub code: String,
    /// Plain words, no paths, no internals.
    pub message: String,
}

impl Reason {
    /// A reason from its two parts.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}
