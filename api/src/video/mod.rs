//! What owners see and do: their videos, the events and the files of each.

mod body;
mod calls;
mod changes;
mod events;
mod expected;
mod files;
mod range;

pub(crate) use body::{ErrorBody, VideoBody};
pub(crate) use calls::{
    __path_cancel, __path_delete, __path_list, __path_profiles, __path_show, already_finished,
    cancel, delete, list, profiles, show,
};
pub(crate) use changes::Changes;
pub(crate) use events::{__path_events, events};
pub(crate) use expected::expected_at;
pub(crate) use files::{__path_file, file};
