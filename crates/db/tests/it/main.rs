//! One suite that every database passes. A further database is one more module.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod postgres;
mod sqlite;
mod suite;
