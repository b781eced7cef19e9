use std::{convert::Infallible, error::Error, time::Duration};

use axum::{
    extract::State,
    http::HeaderName,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use reelfleet_db::User;
use reelfleet_job::VideoId;
use reelfleet_runtime::Timestamp;
use tokio::sync::watch;

use super::{VideoBody, expected_at};
use crate::{
    auth::SignedIn,
    http::{Id, Place},
    problem::{Answer, Problem, codes, problems},
    state::AppState,
};

/// How often one stream looks at most.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a comment shows that the stream is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long browsers wait before they connect again.
const RECONNECT: Duration = Duration::from_secs(2);

problems!(EventsProblems: NOT_FOUND, TOO_MANY_STREAMS);

/// State and progress of one of your videos, until the end.
///
/// `event: video` carries the video at every change; `event: end` says that nothing more comes.
#[utoipa::path(get, path = "/api/videos/{id}/events", tag = "videos", params(("id" = String, Path, description = "Id of the video.")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Server-sent events.", body = String, content_type = "text/event-stream"), EventsProblems))]
pub(crate) async fn events(
    State(state): State<AppState>,
    signed_in: SignedIn,
    Id(id): Id<VideoId>,
) -> Answer<impl IntoResponse> {
    let owner = signed_in.user.id;
    // Subscribed before the first look, so that no change falls in between.
    let changes = state.changes.subscribe();
    state.db.video(owner, id).await?.ok_or_else(Problem::not_found)?;
    let Some((place, _)) = state.streams.take(owner) else {
        return Err(Problem::new(
            &codes::TOO_MANY_STREAMS,
            "You have too many event streams open. Close some.",
        )
        .retry_after(10));
    };
    let watching = Watching {
        expires_at: signed_in.expires_at,
        owner: signed_in.user,
        state,
        id,
        changes,
        sent: None,
        ended: false,
        _place: place,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    // Proxies that gather answers before they pass them on would hold events back.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, Sse::new(watching.stream()).keep_alive(keep_alive)))
}

/// One open stream.
struct Watching {
    state: AppState,
    /// As the account was when the stream began: another password, or its end, ends the session.
    owner: User,
    id: VideoId,
    changes: watch::Receiver<()>,
    /// When the session ends by itself; the stream goes with it.
    expires_at: Timestamp,
    sent: Option<String>,
    ended: bool,
    _place: Place,
}

impl Watching {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, async |mut watching| {
            let event = watching.next().await?;
            Some((Ok(event), watching))
        })
    }

    /// The next event, once there is one.
    async fn next(&mut self) -> Option<Event> {
        while !self.ended {
            if self.state.shutdown.is_draining() || self.state.clock.now() >= self.expires_at {
                return None;
            }
            match self.look().await {
                Ok(None) if !self.ended => self.wait().await,
                Ok(event) => return event,
                Err(error) => {
                    // The client connects again and finds out what is left.
                    tracing::warn!(%error, "an event stream was cut off");
                    return None;
                }
            }
        }
        None
    }

    /// The event that is due, if there is one. Every change of the records leads here, for every
    /// stream: one read must do, as long as nothing ends.
    async fn look(&mut self) -> Result<Option<Event>, Box<dyn Error + Send + Sync>> {
        if let Some(video) = self.state.db.video_in_session(&self.owner, self.id).await? {
            // Compared without the estimate, which moves with every job of the fleet.
            let state = serde_json::to_string(&VideoBody::from(&video))?;
            if self.sent.as_ref() != Some(&state) {
                let first = self.sent.is_none();
                let expected = expected_at(&self.state, [&video]).await.pop().flatten();
                let json = serde_json::to_string(&VideoBody::expected(&video, expected))?;
                let event = Event::default().event("video").data(&json);
                self.sent = Some(state);
                return Ok(Some(if first { event.retry(RECONNECT) } else { event }));
            }
            let status = video.status;
            return Ok(status.is_final().then(|| self.end(status.as_str())));
        }
        // Either the video is gone or the session: another password was set, or the account was
        // deleted. Then the stream ends without a word, as it does when the session runs out.
        let user = self.state.db.user(self.owner.id).await?;
        let holds = user.is_some_and(|user| user.token_version == self.owner.token_version);
        self.ended = true;
        Ok(holds.then(|| self.end("deleted")))
    }

    fn end(&mut self, status: &'static str) -> Event {
        self.ended = true;
        let data = serde_json::json!({ "status": status }).to_string();
        Event::default().event("end").data(data)
    }

    async fn wait(&mut self) {
        if !self.state.shutdown.sleep(PAUSE).await {
            return;
        }
        tokio::select! {
            () = self.state.shutdown.drain().cancelled() => {}
            // The sender lives in the state that we hold.
            _ = self.changes.changed() => {}
        }
    }
}
