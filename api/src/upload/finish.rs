use reelfleet_db::{NewVideo, Submitted, Video};
use reelfleet_job::UserId;
use reelfleet_storage::Key;

use super::{
    details::Settled,
    receive::{Received, not_stored},
};
use crate::{
    problem::{Answer, Problem, codes},
    state::AppState,
};

/// Publishes a received file and records its video, once for each key.
pub(super) async fn finish(
    state: &AppState,
    owner: UserId,
    key: Option<String>,
    received: Received,
    settled: Settled,
) -> Answer<Video> {
    let fingerprint = received.fingerprint(&settled);
    if let Some(key) = &key
        && let Some((video, recorded)) = state.db.video_by_key(owner, key).await?
    {
        return if recorded == fingerprint { Ok(video) } else { Err(reused()) };
    }
    let id = received.id;
    let source = Key::source(id);
    let new = NewVideo {
        id,
        owner,
        title: settled.title,
        profile: settled.profile,
        priority: settled.priority,
        source_bytes: received.bytes,
        source_duration: received.duration,
        idempotency_key: key,
        fingerprint,
        max_attempts: state.config.max_attempts,
    };
    // The source is there before the row that names it.
    received.upload.publish().await.map_err(not_stored)?;
    let submitted = reelfleet_queue::submit_video(&state.db, &state.queue, &new).await;
    match submitted {
        Ok(Submitted::New(video)) => {
            tracing::info!(%id, job = %video.job, bytes = video.source_bytes, "a video was accepted");
            Ok(*video)
        }
        Ok(Submitted::Repeated(video)) => {
            remove(state, &source).await;
            Ok(*video)
        }
        Ok(Submitted::KeyReused) => {
            remove(state, &source).await;
            Err(reused())
        }
        Err(error) => {
            // A commit without an answer may still happen, after whatever is asked now: then its
            // source must be there. The collector finds out.
            if is_refusal(&error)
                && let Ok(false) = state.db.video_exists(id).await
            {
                remove(state, &source).await;
            }
            Err(error.into())
        }
    }
}

/// Whether the database has said no, and did not merely say nothing.
fn is_refusal(error: &reelfleet_queue::Error) -> bool {
    !matches!(error, reelfleet_queue::Error::Db(reelfleet_db::Error::Unavailable(_)))
}

/// What is left behind if this fails is collected later, as no row names it.
async fn remove(state: &AppState, source: &Key) {
    if let Err(error) = state.storage.remove(source).await {
        tracing::warn!(%error, "a source that is not needed stays for now");
    }
}

fn reused() -> Problem {
    Problem::new(
        &codes::IDEMPOTENCY_KEY_REUSED,
        "This idempotency key was used for another upload. Use a new one.",
    )
}
