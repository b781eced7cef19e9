//! aws-deployment/ on emulators: stacks, groups, and what an instance does with them.
//!
//! ```text
//! deploy.sh ─► MiniStack    every stack but 01.5, through its whole life
//! aws       ─► moto         groups that start instances, and the load balancer's targets
//! boot.sh   ─► MiniStack    the secrets, in a root of its own
//! log.sh    ─► systemd-journald
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod boot;
mod groups;
mod halfway;
mod life;
mod log;
mod machine;
mod quiet;
mod recorded;
mod redrive;
mod refusals;
