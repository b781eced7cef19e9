use reelfleet_db::{Db, NewVideo, Submitted};
use reelfleet_job::{Kind, Lane, Message};

use crate::{Error, Queue};

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
        let sent = queue.send(&[(lane, Message::to(video.job, Kind::Transcode))]).await;
        let noted = match sent.error {
            None => db.mark_sent(&[video.job]).await.map_err(Error::from),
            Some(error) => Err(error),
        };
        if let Err(error) = noted {
            tracing::warn!(%error, job.id = %video.job, "the message of job {} is left to the relay", video.job);
        }
    }
    Ok(submitted)
}
