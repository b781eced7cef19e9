use axum::extract::State;
use reelfleet_db::VideoFilter;
use reelfleet_job::VideoStatus;
use serde::{Deserialize, Serialize};

use super::{
    view::VideoView,
    visitor::{FINE, Page, Visitor},
};
use crate::{http::Query, problem::Answer, state::AppState, video::expected_at};

/// Videos of one page.
const AT_ONCE: u32 = 20;

/// Which videos.
#[derive(Deserialize)]
pub(super) struct Asked {
    status: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct List<'a> {
    videos: Vec<VideoView>,
    older_url: Option<String>,
    paged: bool,
    status: Option<&'static str>,
    statuses: Vec<&'static str>,
    profiles: Vec<Profile<'a>>,
    profile: &'a str,
}

#[derive(Serialize)]
struct Profile<'a> {
    name: &'a str,
    description: &'a str,
}

/// The visitor's videos, and the place to upload more.
pub(super) async fn list(
    State(state): State<AppState>,
    visitor: Visitor,
    asked: Answer<Query<Asked>>,
) -> Page {
    let Query(asked) = asked?;
    // A filter or cursor that means nothing shows the whole list: nobody types these.
    let status = asked.status.and_then(|word| word.parse::<VideoStatus>().ok());
    let before = asked.cursor.and_then(|id| id.parse().ok());
    let filter = VideoFilter { status, limit: AT_ONCE, before };
    let page = state.db.videos(visitor.user.id, &filter).await?;
    let last = page.rows.last().filter(|_| page.more).map(|video| video.id);
    let expected = expected_at(&state, &page.rows).await;
    let list = List {
        videos: page.rows.iter().zip(expected).map(|(v, at)| VideoView::of(v, at)).collect(),
        older_url: last.map(|id| match status {
            Some(status) => format!("/?status={status}&cursor={id}"),
            None => format!("/?cursor={id}"),
        }),
        paged: before.is_some(),
        status: status.map(VideoStatus::as_str),
        statuses: VideoStatus::ALL.map(VideoStatus::as_str).to_vec(),
        profiles: state
            .config
            .profiles
            .iter()
            .map(|profile| Profile { name: &profile.name, description: &profile.description })
            .collect(),
        profile: &state.config.default_profile,
    };
    Ok(visitor.pages.show(FINE, "videos.html", Some(&visitor.user), "videos", list)?)
}
