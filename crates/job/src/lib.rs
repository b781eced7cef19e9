//! Jobs as values: what a job is, what may happen to it, and what travels through a broker.
//!
//! ```text
//! Payload ──► job row (State, attempts, epoch) ──► Message {v, job, kind} ──► Lane
//!                         ▲                                                   │
//!                         └────────── settle(Outcome) ◄── handler ◄── claim ──┘
//! ```
//!
//! No I/O happens here, so every rule is a table in a test.
//!
//! ```
//! use reelfleet_job::{settle, Outcome, RetryPolicy, Settlement};
//!
//! // A scale-in gives the attempt back; it is never charged.
//! let settled = settle(Outcome::Interrupted, 1, &RetryPolicy::default(), 0.5);
//! assert_eq!(settled, Settlement::HandBack);
//! ```

mod id;
mod kind;
mod message;
mod payload;
mod reason;
mod retry;
mod settle;
mod state;

pub use id::{FleetId, IdError, JobId, UserId, VideoId, WorkerId};
pub use kind::{Kind, Lane, Priority, UnknownWord};
pub use message::{Message, MessageError};
pub use payload::Payload;
pub use reason::Reason;
pub use retry::RetryPolicy;
pub use settle::{Outcome, Settlement, settle};
pub use state::{State, VideoStatus};
