//! What every request passes: limits, request id, headers, and how bodies and queries are read.

mod guard;
mod observe;
mod per_user;
mod read;

pub(crate) use guard::{limit_time, panicked, secure};
pub(crate) use observe::observe;
pub(crate) use per_user::{PerUser, Place};
pub(crate) use read::{Body, Id, Query, bad_query, page_limit};
