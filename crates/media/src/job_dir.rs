//! The private directory of one attempt.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A directory that holds one attempt's input and nothing else's.
///
/// The input has no extension, so that a playlist smuggled in as a video finds
/// no file whose name its demuxer accepts. Remove it with [`JobDir::remove`];
/// one that is dropped instead is removed too, with a warning.
#[must_use]
#[derive(Debug)]
pub struct JobDir {
    root: PathBuf,
    armed: bool,
}

impl JobDir {
    /// Creates `parent/name` afresh; leftovers of a crashed attempt go first.
    pub fn create(parent: &Path, name: &str) -> io::Result<JobDir> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a job directory's name is letters, digits, '-' and '_'",
            ));
        }
        fs::create_dir_all(parent)?;
        let root = parent.canonicalize()?.join(name);
        match fs::remove_dir_all(&root) {
            Ok(()) => {}
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => return Err(err),
        }
        fs::create_dir(&root)?;
        let dir = JobDir { root, armed: true };
        fs::create_dir(dir.out())?;
        fs::create_dir(dir.assets())?;
        Ok(dir)
    }

    /// The directory itself; ffmpeg's working directory.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Where the caller puts the input.
    pub fn input(&self) -> PathBuf {
        self.root.join("in")
    }

    /// Where results appear.
    pub fn out(&self) -> PathBuf {
        self.root.join("out")
    }

    /// Where our own pictures (the watermark) are laid for ffmpeg to read.
    pub(crate) fn assets(&self) -> PathBuf {
        self.root.join("assets")
    }

    /// Empties the output directory before another try on the same input.
    pub(crate) fn clear_out(&self) -> io::Result<()> {
        fs::remove_dir_all(self.out())?;
        fs::create_dir(self.out())
    }

    /// Removes the directory with everything in it.
    pub fn remove(mut self) -> io::Result<()> {
        self.armed = false;
        fs::remove_dir_all(&self.root)
    }
}

impl Drop for JobDir {
    fn drop(&mut self) {
        if self.armed {
            tracing::warn!(dir = %self.root.display(), "job directory left to drop");
            // Nothing more can be done about an error here; `create` clears leftovers.
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_leave_the_parent_is_refused() {
        let parent = tempfile::tempdir().expect("temporary directory");
        for name in ["", "..", "a/b", "a b", "."] {
            assert!(JobDir::create(parent.path(), name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn creating_again_removes_what_a_crashed_attempt_left() {
        let parent = tempfile::tempdir().expect("temporary directory");
        fs::create_dir(parent.path().join("a")).expect("leftover directory");
        fs::write(parent.path().join("a/old"), b"x").expect("leftover file");
        let dir = JobDir::create(parent.path(), "a").expect("job directory");
        assert!(!dir.path().join("old").exists());
        dir.remove().expect("removal");
        assert!(!parent.path().join("a").exists());
    }
}
