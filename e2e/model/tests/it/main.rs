//! The model, the storms, and the comparison with the databases: what takes seconds of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "how much was looked at is worth reading")]

mod broken_rules;
mod exhaustive;
mod same_as_sql;
mod simulation;
