use std::time::Duration;

use reelfleet_db::{Db, NewVideo, Submitted};
use reelfleet_job::{Kind, Lane, Message};

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
        let batch = [(lane, Message::to(video.job, Kind::Transcode))];
        let why = match tokio::time::timeout(PATIENCE, queue.send(&batch)).await {
            Ok(Sent { error: None, .. }) => {
                db.mark_sent(&[video.job]).await.err().map(|error| error.to_string())
            }
            Ok(Sent { error: Some(error), .. }) => Some(error.to_string()),
            Err(_elapsed) => Some("the broker does not answer".to_owned()),
        };
        if let Some(why) = why {
            tracing::warn!(why, job.id = %video.job, "the message of job {} is left to the relay", video.job);
        }
    }
    Ok(submitted)
}
