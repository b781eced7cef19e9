//! One suite that every database passes. A further database is one more module beside `sqlite`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sqlite;
mod suite;
