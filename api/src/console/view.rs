//! Rows as the templates need them: as the API shows them, and what only pages show.

use reelfleet_db::{File, User, Video};
use reelfleet_runtime::Timestamp;
use serde::Serialize;

use crate::video::VideoBody;

/// Who looks.
#[derive(Serialize)]
pub(super) struct UserView<'a> {
    email: &'a str,
    role: &'static str,
}

/// A video.
#[derive(Serialize)]
pub(super) struct VideoView {
    #[serde(flatten)]
    body: VideoBody,
    /// Nothing more happens to it by itself.
    r#final: bool,
    /// Where its picture is.
    poster: Option<String>,
    /// Where the file is that every browser plays.
    watch: Option<String>,
    waited_s: Option<f64>,
    took_s: Option<f64>,
}

impl<'a> From<&'a User> for UserView<'a> {
    fn from(user: &'a User) -> Self {
        Self { email: &user.email, role: user.role.as_str() }
    }
}

impl VideoView {
    pub(super) fn of(video: &Video, expected: Option<Timestamp>) -> Self {
        let url = |file: &File| format!("/api/videos/{}/files/{}", video.id, file.name);
        let first = |wanted: fn(&File) -> bool| video.files.iter().find(|f| wanted(f)).map(url);
        Self {
            body: VideoBody::expected(video, expected),
            r#final: video.status.is_final(),
            poster: first(|file| file.kind == "poster"),
            watch: first(|file| file.kind == "video" && file.content_type == "video/mp4"),
            waited_s: between(Some(video.created_at), video.started_at),
            took_s: between(video.started_at, video.finished_at),
        }
    }
}

fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<f64> {
    Some(to?.since(from?).as_secs_f64())
}
