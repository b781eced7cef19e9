use std::{fmt, path::PathBuf};

use reelfleet_job::{JobId, VideoId};

/// The longest name of an output. A file system allows 255 bytes a segment, a store of objects 1024 in all.
const LONGEST_NAME: usize = 200;

/// A name that no output may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a name for an output: expected at most {LONGEST_NAME} letters, digits, `.`, `_`, `-`, \
     in segments divided by `/` that do not begin with `.`"
)]
pub struct KeyError;

/// Names one blob. It is made of ids and allow-listed names only, so that it
/// is a safe path wherever it is used as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(Named);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Named {
    Fleet,
    Source(VideoId),
    Output { job: JobId, epoch: u64, name: String },
}

impl Key {
    /// Whose storage it is.
    pub(crate) fn fleet() -> Self {
        Self(Named::Fleet)
    }

    /// What was uploaded for a video. It has no extension, because tools trust extensions.
    #[must_use]
    pub fn source(video: VideoId) -> Self {
        Self(Named::Source(video))
    }

    /// What one epoch of a job made.
    ///
    /// # Errors
    ///
    /// The name could lead somewhere else, or holds more than plain characters.
    pub fn output(job: JobId, epoch: u64, name: &str) -> Result<Self, KeyError> {
        if name.len() > LONGEST_NAME || !name.split('/').all(is_segment) {
            return Err(KeyError);
        }
        Ok(Self(Named::Output { job, epoch, name: name.to_owned() }))
    }

    /// The path below the storage's folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.to_string().into()
    }
}

fn is_segment(segment: &str) -> bool {
    !segment.is_empty()
        && !segment.starts_with('.')
        && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Named::Fleet => f.write_str("fleet"),
            Named::Source(video) => write!(f, "sources/{video}"),
            Named::Output { job, epoch, name } => write!(f, "outputs/{job}/{epoch}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_prints_as_its_path() {
        let (video, job) = (VideoId::generate(), JobId::generate());
        assert_eq!(Key::source(video).to_string(), format!("sources/{video}"));
        let output = Key::output(job, 3, "hls/v0_720p/seg-001.m4s").unwrap();
        assert_eq!(output.to_string(), format!("outputs/{job}/3/hls/v0_720p/seg-001.m4s"));
    }

    /// E4: traversal.
    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let long = "a".repeat(LONGEST_NAME + 1);
        for name in [
            "",
            "/",
            ".",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "/etc/passwd",
            "a//b",
            "a/",
            ".hidden",
            "a/.b",
            "a\\b",
            "a\0b",
            "a b",
            "ü",
            "a\nb",
            "%2e%2e/x",
            "~",
            long.as_str(),
        ] {
            assert_eq!(Key::output(JobId::generate(), 1, name), Err(KeyError), "{name:?}");
        }
    }

    #[test]
    fn plain_names_are_accepted() {
        let longest = "a".repeat(LONGEST_NAME);
        for name in ["web.mp4", "a..b", "hls/master.m3u8", "-", "_", longest.as_str()] {
            assert!(Key::output(JobId::generate(), 1, name).is_ok(), "{name:?}");
        }
    }
}
