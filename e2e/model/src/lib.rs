//! A model of the protocol, checked exhaustively, and a seeded simulation of the real state machine.
//!
//! ```text
//!            Call ─► Row::ask (pure) ◄── the same answers? ──► Db (SQLite, Postgres)
//!             ▲          ▲                                        ▲
//! Hand ───────┘          │                                        │
//!   └──────────► World: every step in every order       Sim: hundreds of jobs by a seed
//! ```
//!
//! ```
//! use reelfleet_model::{Config, Harm, Rules, check};
//!
//! let config = Config { rules: Rules::default(), worker_of: [0], max_attempts: 1, messages: 1, harm: Harm::NONE, nameless: true };
//! let checked = check::<1, 1>(config, 1);
//! assert!(checked.broken.is_empty(), "{checked}");
//! ```

mod action;
mod calm;
mod check;
mod hand;
mod place;
mod protocol;
mod row;
mod rules;
mod same;
mod sim;
mod step;
mod world;

pub use action::{Action, End};
pub use check::{Checked, check, find};
pub use hand::{Close, Hand, Phase};
pub use place::{Place, Result, sqlite};
pub use protocol::*;
pub use row::{Answer, Call, Claim, Row};
pub use rules::{Rule, Rules};
pub use same::same;
pub use sim::{Size, Tally, simulate};
pub use world::{Api, Job, Sending, World};
