use std::time::Duration;

use reelfleet_job::VideoId;
use reelfleet_storage::{Key, Upload};
use sha2::{Digest, Sha256};

use super::{client_body::BodyError, details::Settled, length::Length};
use crate::{
    problem::{Answer, Problem, codes, disk_full},
    state::AppState,
};

/// A file on its way to storage. Dropping it leaves nothing behind.
pub(super) struct Receiving {
    id: VideoId,
    upload: Upload,
    hash: Sha256,
    length: Length,
    bytes: u64,
    most: u64,
}

/// A file that is all there, but not published yet.
pub(super) struct Received {
    /// Of the video that it becomes.
    pub(super) id: VideoId,
    pub(super) upload: Upload,
    pub(super) bytes: u64,
    /// As it claims itself.
    pub(super) duration: Option<Duration>,
    hash: [u8; 32],
}

impl Receiving {
    pub(super) async fn begin(state: &AppState) -> Answer<Self> {
        let id = VideoId::generate();
        let upload = state.storage.upload(&Key::source(id)).await.map_err(not_stored)?;
        let most = state.config.max_upload_bytes;
        Ok(Self { id, upload, hash: Sha256::new(), length: Length::default(), bytes: 0, most })
    }

    pub(super) async fn write(&mut self, state: &AppState, chunk: &[u8]) -> Answer<()> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.most {
            return Err(too_large(self.most));
        }
        self.hash.update(chunk);
        self.length.look(chunk);
        self.upload.write(chunk).await.map_err(not_stored)?;
        state.metrics.uploaded(chunk.len() as u64);
        Ok(())
    }

    pub(super) fn end(self) -> Answer<Received> {
        if self.bytes == 0 {
            return Err(Problem::new(&codes::EMPTY_FILE, "The file has no content."));
        }
        let hash = self.hash.finalize().into();
        let duration = self.length.claimed(self.bytes);
        Ok(Received { id: self.id, upload: self.upload, bytes: self.bytes, duration, hash })
    }
}

impl Received {
    /// What a repeated upload under the same key must equal.
    pub(super) fn fingerprint(&self, settled: &Settled) -> String {
        let mut hash = Sha256::new();
        hash.update(self.hash);
        // Lengths keep the end of one part from passing as the begin of the next.
        for part in [&settled.title, &settled.profile, settled.priority.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hex::encode(hash.finalize())
    }
}

/// Storage that fails in mid-upload. The rest of the body is not read.
pub(super) fn not_stored(error: reelfleet_storage::Error) -> Problem {
    match error {
        reelfleet_storage::Error::DiskFull => {
            tracing::warn!("an upload filled the disk");
            disk_full().closing()
        }
        error => Problem::from(error).closing(),
    }
}

pub(super) fn too_large(most: u64) -> Problem {
    let detail = format!("A video has at most {most} bytes here.");
    Problem::new(&codes::TOO_LARGE, detail).closing()
}

/// A body that was not read to its end.
pub(super) fn not_read(error: BodyError, most: u64) -> Problem {
    match error {
        BodyError::TooLarge => too_large(most),
        BodyError::TooSlow => Problem::new(
            &codes::UPLOAD_TOO_SLOW,
            "The upload stood still for too long. Nothing of it was kept.",
        )
        .closing(),
        BodyError::Gone => Problem::new(&codes::UNFINISHED_BODY, "The body ended early.").closing(),
        BodyError::Shapeless => {
            Problem::new(&codes::BAD_MULTIPART, "The form has no parts that can be read.").closing()
        }
    }
}
