//! One suite that every broker passes. A further broker is one more module beside `database`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod database;
mod moved;
mod rabbitmq;
mod redis;
mod sqs;
mod suite;
