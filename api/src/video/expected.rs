use reelfleet_db::Video;
use reelfleet_job::VideoStatus;
use reelfleet_metric::{Waits, task_of};
use reelfleet_runtime::Timestamp;

use crate::state::AppState;

/// When each of these videos should be ready, by a look at the whole fleet's work that is seconds
/// old at most, or none where nobody can tell. An estimate that fails keeps nobody from the video.
pub(crate) async fn expected_at<'a>(
    state: &AppState,
    videos: impl IntoIterator<Item = &'a Video>,
) -> Vec<Option<Timestamp>> {
    let videos: Vec<_> = videos.into_iter().collect();
    // Most pages show what is over.
    if videos.iter().all(|video| video.status.is_final() || video.cancelling) {
        return vec![None; videos.len()];
    }
    let observed = match state.observer.recent().await {
        Ok(observed) => observed,
        Err(error) => {
            tracing::warn!(%error, "when videos should be ready is not known");
            return vec![None; videos.len()];
        }
    };
    let expected = |video: &Video| {
        let task = task_of(video);
        match (video.status, video.started_at) {
            _ if video.cancelling => None,
            (VideoStatus::Queued, _) => {
                let (priority, due) = (video.priority, video.due_at);
                let job = Waits { priority, task, due };
                observed.expected(&job).map(|expected| expected.ends)
            }
            (VideoStatus::Processing, Some(began)) => {
                observed.expected_end(task, video.progress, began)
            }
            _ => None,
        }
    };
    videos.into_iter().map(expected).collect()
}
