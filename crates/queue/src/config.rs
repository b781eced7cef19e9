use std::str::FromStr;

use reelfleet_runtime::{Var, Vars};

/// Which broker carries the messages.
pub const QUEUE_TYPE: Var =
    Var::new("QUEUE_TYPE", "database", "Which broker carries the messages: `database`.");

/// The variables read here.
pub const VARS: &[Var] = &[QUEUE_TYPE];

/// The brokers by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueType {
    /// The database itself.
    #[default]
    Database,
}

impl FromStr for QueueType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "database" => Ok(Self::Database),
            _ => Err("expected `database`"),
        }
    }
}

/// Reads which broker to use and notes what is wrong with it.
pub fn queue_type(vars: &mut Vars) -> QueueType {
    vars.parse(&QUEUE_TYPE)
}
