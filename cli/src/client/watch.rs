use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reelfleet_runtime::Backoff;
use serde_json::Value;

use super::{
    Failure, Result,
    http::{Api, read},
    progress::Progress,
    sse::next_event,
    view::Video,
};

/// Streams held open at once.
const STREAMS: usize = 16;

/// How long a fleet may be away before watching ends. A restart takes seconds.
const AWAY: Duration = Duration::from_secs(120);

/// Waits without using the processor; Ctrl-C ends the process meanwhile. It
/// may wake early, which makes a try come sooner and no harm.
pub(super) fn pause(wait: Duration) {
    std::thread::park_timeout(wait);
}

/// Watches videos to their end, some at a time, in the order in which they were sent.
pub(super) fn all(api: &Api, videos: &[Value], progress: &Progress) -> Vec<Result<Value>> {
    let next = AtomicUsize::new(0);
    let ends: Vec<Mutex<Option<Result<Value>>>> = videos.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let Some((video, end)) = videos.get(turn).zip(ends.get(turn)) else { return };
            let result = to_end(api, video, progress);
            *end.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(result);
        }
    };
    let threads = videos.len().min(STREAMS);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    ends.into_iter()
        .map(|end| {
            let end = end.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
            end.unwrap_or(Err(Failure::Told))
        })
        .collect()
}

/// Watches one video to its end: by its stream, and by asking whenever the stream is away.
fn to_end(api: &Api, accepted: &Value, progress: &Progress) -> Result<Value> {
    let accepted: Video = read(accepted)?;
    let path = format!("/api/videos/{}", accepted.id);
    let watching = progress.watching(&accepted.name());
    watching.seen(&accepted);
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
    let mut away: Option<Instant> = None;
    loop {
        if follow(api, &accepted.id, |video| watching.seen(video)) {
            backoff.reset();
        }
        match api.get(&path, &[]) {
            Ok(answer) => {
                away = None;
                let video: Video = read(&answer)?;
                watching.seen(&video);
                if video.is_final() {
                    return Ok(answer);
                }
            }
            Err(failure) if failure.is_passing() => {
                let since = away.get_or_insert_with(Instant::now);
                if !api.renew() && since.elapsed() > AWAY {
                    return Err(failure);
                }
            }
            // The fleet was started anew while we watched, and its file has the new token.
            Err(Failure::Refused { .. }) if api.renew() => {}
            Err(failure) => return Err(failure),
        }
        pause(backoff.next_wait());
    }
}

/// Follows a video's stream as far as it goes. Whether anything came.
fn follow(api: &Api, id: &str, seen: impl Fn(&Video)) -> bool {
    let mut came = false;
    let Ok(mut stream) = api.events(id) else { return came };
    while let Ok(Some(event)) = next_event(&mut stream) {
        came = true;
        if event.name == "end" {
            break;
        }
        if event.name == "video"
            && let Ok(video) = serde_json::from_str::<Video>(&event.data)
        {
            seen(&video);
            if video.is_final() {
                break;
            }
        }
    }
    came
}
