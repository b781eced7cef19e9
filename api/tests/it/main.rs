//! The API as its clients see it: over a real socket, on a real database and real disk.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod app;
mod auth;
mod client;
mod disk;
mod doubt;
mod events;
mod expected;
mod files;
mod forms;
mod hostile;
mod limits;
mod links;
mod ops;
mod passwords;
mod repeat;
mod s3;
mod shutdown;
mod signup;
mod tenancy;
mod tokens;
mod upload;
