//! The transcode handler: fetch, probe, plan, run, verify, store.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reelfleet_db::{Claimed, File, Finished};
use reelfleet_job::{Outcome, Payload, Reason, VideoId};
use reelfleet_media::{Error as MediaError, JobDir, Output, Progress, Transcode};
use reelfleet_storage::Key;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::{
    Worker,
    hands::{Hands, Held, Why},
    scratch::Scratch,
};

/// The next job is taken when the encode has about this much left: time
/// enough to claim and probe it, too little to keep it from an idle worker.
const NEXT_WITHIN: Duration = Duration::from_millis(1500);

/// How a handler ended: with what to publish, or with what else becomes of the job.
pub(crate) type Handled = Result<Finished, Outcome>;

/// Runs one claimed job. `hand` is given back when the next job may be taken.
pub(crate) async fn run(
    worker: &Arc<Worker>,
    scratch: &Scratch,
    hands: &Hands,
    claimed: &Claimed,
    held: &Arc<Held>,
    hand: OwnedSemaphorePermit,
) -> Handled {
    let Payload::Transcode { video, profile } = &claimed.payload else {
        // Its message lied about the kind. The relay sends one that does not.
        return Err(Outcome::Interrupted);
    };
    let name = format!("{}-{}", claimed.id, claimed.epoch);
    let dir = JobDir::create(scratch.path(), &name).map_err(|error| ours("scratch", error))?;
    let made = in_dir(worker, hands, claimed, held, hand, (*video, profile), &dir).await;
    if let Err(error) = dir.remove() {
        tracing::warn!(%error, job.id = %claimed.id, "a job's folder is left for the next start");
    }
    made.map_err(|error| match (error, held.why()) {
        // Whatever was reported, a job that was told to stop ended because of that.
        (_, Some(Why::Cancelled)) => Outcome::Cancelled,
        (_, Some(Why::Lost | Why::Leaving)) => Outcome::Interrupted,
        (outcome, None) => outcome,
    })
}

async fn in_dir(
    worker: &Arc<Worker>,
    hands: &Hands,
    claimed: &Claimed,
    held: &Arc<Held>,
    hand: OwnedSemaphorePermit,
    (video, profile): (VideoId, &str),
    dir: &JobDir,
) -> Handled {
    let stop = held.stop();
    let Some(profile) = worker.profiles.get(profile) else {
        // An older worker in a rolling update, perhaps: a newer one may know it.
        return Err(Outcome::Failed(Reason::new(
            "unknown_profile",
            "This worker does not know the profile.",
        )));
    };
    let source = Key::source(video);
    let input = dir.input();
    tokio::select! {
        fetched = worker.storage.fetch(&source, &input) => fetched.map_err(|error| ours("storage", error))?,
        () = stop.cancelled() => return Err(Outcome::Interrupted),
    }
    let transcode = Transcode {
        tools: &worker.tools,
        profile,
        threads: worker.config.threads,
        limits: &worker.limits,
        stop,
    };
    let source = transcode.probe(dir).await.map_err(outcome)?;
    let encoding = tokio::select! {
        permit = hands.encodes.acquire() => permit.map_err(|error| ours("encode", error))?,
        () = stop.cancelled() => return Err(Outcome::Interrupted),
    };
    let progress = progress_of(Arc::clone(held), hand);
    let output = transcode.make(&source, dir, progress).await.map_err(outcome)?;
    drop(encoding);
    store(worker, claimed, held, video, output).await
}

/// Notes the progress, and gives the hand back when the encode is nearly done.
fn progress_of(
    held: Arc<Held>,
    hand: OwnedSemaphorePermit,
) -> impl FnMut(Progress) + Send + Clone + 'static {
    let began = Instant::now();
    // Shared by the clones: a second encode of the same job is still one job in hand.
    let hand = Arc::new(Mutex::new(Some(hand)));
    move |progress| {
        // The last hundredth is for checking and storing.
        held.set_progress(progress.fraction * 0.99);
        let left = began.elapsed().mul_f64((1.0 - progress.fraction) / progress.fraction.max(0.01));
        if left < NEXT_WITHIN {
            hand.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

async fn store(
    worker: &Worker,
    claimed: &Claimed,
    held: &Held,
    video: VideoId,
    output: Output,
) -> Handled {
    let mut files = Vec::with_capacity(output.files.len());
    for file in output.files {
        // A ladder of hours has thousands of segments, each synced to disk.
        if held.stop().is_cancelled() {
            return Err(Outcome::Interrupted);
        }
        let key = Key::output(claimed.id, claimed.epoch, &file.name)
            .map_err(|error| ours("name", error))?;
        tokio::select! {
            stored = worker.storage.put_file(&file.path, &key) => {
                stored.map_err(|error| ours("storage", error))?;
            }
            // A bucket may take minutes for a file. What was begun is taken back.
            () = held.stop().cancelled() => return Err(Outcome::Interrupted),
        }
        files.push(File {
            name: file.name,
            kind: file.kind.name().to_owned(),
            content_type: file.content_type.to_owned(),
            bytes: file.bytes,
        });
    }
    Ok(Finished {
        video,
        duration_s: output.duration_s,
        width: output.width,
        height: output.height,
        files,
    })
}

fn outcome(error: MediaError) -> Outcome {
    match error {
        MediaError::Rejected(reason) => Outcome::Rejected(Reason::new(reason.code, reason.message)),
        MediaError::Failed(what) => ours("media", what),
        MediaError::Stopped => Outcome::Interrupted,
    }
}

/// A failure of ours: the log has what happened, the owner a sentence without internals.
pub(crate) fn ours(part: &'static str, error: impl std::fmt::Display) -> Outcome {
    tracing::warn!(part, %error, "a try failed: {error}");
    Outcome::Failed(Reason::new(
        "internal",
        "Something went wrong on our side while converting the video.",
    ))
}
