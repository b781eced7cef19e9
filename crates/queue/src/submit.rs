use std::time::Duration;

use reelfleet_db::{Db, NewJob, NewVideo, Submitted};
use reelfleet_job::{JobId, Kind, Lane, Message};

use crate::{Error, Queue, Sent};

/// How long the answer to an upload waits for a broker that does not confirm.
const PATIENCE: Duration = Duration::from_secs(2);

/// Records a video with its job, then rings. The video is accepted when this
/// returns, whether the bell was heard or not: the relay rings again.
///
/// # Errors
///
/// Nothing was recorded.
pub async fn submit_video(db: &Db, queue: &Queue, new: &NewVideo) -> Result<Submitted, Error> {
    let submitted = db.submit_video(new).await?;
    if let Submitted::New(video) = &submitted {
        let lane = Lane { kind: Kind::Transcode, priority: new.priority };
        ring(db, queue, &[(lane, Message::to(video.job, Kind::Transcode))]).await;
    }
    Ok(submitted)
}

/// Records jobs, all or none, then rings. They are accepted when this returns.
///
/// # Errors
///
/// None was recorded.
pub async fn submit_jobs(db: &Db, queue: &Queue, new: &[NewJob]) -> Result<(), Error> {
    if queue.is_database() {
        return Ok(db.submit_jobs(new, true).await?);
    }
    db.submit_jobs(new, false).await?;
    let batch = new.iter().map(|job| {
        let kind = job.payload.kind();
        (Lane { kind, priority: job.priority }, Message::to(job.id, kind))
    });
    ring(db, queue, &batch.collect::<Vec<_>>()).await;
    Ok(())
}

/// Sends messages and notes in the rows that they were sent. What goes wrong is left to the relay.
async fn ring(db: &Db, queue: &Queue, batch: &[(Lane, Message)]) {
    let sent = tokio::time::timeout(PATIENCE, queue.send(batch)).await.unwrap_or_else(|_elapsed| {
        let away = "it does not answer".into();
        Sent::nothing(batch.len(), Error::Broker { broker: "the broker", source: away })
    });
    let jobs = confirmed(batch, &sent.unconfirmed);
    let marked = if jobs.is_empty() { Ok(()) } else { db.mark_sent(&jobs).await };
    let error = sent.error.map(|error| error.to_string());
    if let Some(error) = error.or(marked.err().map(|error| error.to_string())) {
        tracing::warn!(error, jobs = batch.len(), "messages are left to the relay");
    }
}

fn confirmed(batch: &[(Lane, Message)], unconfirmed: &[usize]) -> Vec<JobId> {
    let mut marks = vec![true; batch.len()];
    for at in unconfirmed {
        if let Some(mark) = marks.get_mut(*at) {
            *mark = false;
        }
    }
    batch.iter().zip(marks).filter(|(_, mark)| *mark).map(|((_, message), _)| message.job).collect()
}
