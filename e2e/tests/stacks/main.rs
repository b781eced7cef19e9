//! aws-deployment/ on emulators: stacks, groups, and what an instance does with them.
//!
//! ```text
//! deploy.sh ─► MiniStack    every stack, through its whole life; of 01.5 what is known there
//! aws       ─► moto         groups that start instances, and the load balancer's targets
//! boot.sh   ─► MiniStack    the secrets, in a root of its own
//! log.sh    ─► systemd-journald
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod boot;
mod defaults;
mod delivered;
mod groups;
mod halfway;
mod life;
mod log;
mod machine;
mod quiet;
mod recorded;
mod redrive;
mod refusals;
