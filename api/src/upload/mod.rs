//! Taking a video in: admitted before its body is read, streamed to storage, recorded with its job.
//!
//! ```text
//! head ─► admit (profile, key, quota, disk, places) ─► ClientBody (size, stall) ─► form | raw ─► Receiving
//!                                                                          storage + sha256 ◄──┘
//! finish: same key? ─► publish the source ─► queue::submit_video ─► 202
//! ```

mod admit;
mod call;
mod client_body;
mod details;
mod finish;
mod form;
mod gate;
mod length;
mod receive;

pub(crate) use call::{__path_upload, upload};
pub(crate) use gate::Gate;
