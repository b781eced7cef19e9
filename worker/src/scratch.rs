//! A worker's own scratch folder, and what dead workers left of theirs.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use reelfleet_job::WorkerId;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

/// A folder that is locked while its worker lives. The kernel lets go of the
/// lock however the worker dies, so nobody has to guess by age.
#[derive(Debug, Clone)]
pub(crate) struct Scratch {
    path: PathBuf,
    _lock: Arc<OwnedFd>,
}

impl Scratch {
    pub(crate) fn create(work_dir: &Path, worker: WorkerId) -> io::Result<Self> {
        let path = work_dir.join(worker.to_string());
        // A sweep may come between making the folder and locking it. Whoever holds the lock
        // of the folder that is there under its name has it.
        for _ in 0..100 {
            fs::create_dir_all(&path)?;
            if let Ok(Some(lock)) = lock(&path)
                && is_still_there(&path, &lock)?
            {
                return Ok(Self { path, _lock: Arc::new(lock) });
            }
        }
        Err(io::Error::other("it is in use"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn remove(self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "the scratch folder is left for the next start");
        }
    }
}

fn lock(path: &Path) -> io::Result<Option<OwnedFd>> {
    let folder = open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(folder)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_still_there(path: &Path, locked: &OwnedFd) -> io::Result<bool> {
    let locked = rustix::fs::fstat(locked)?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (locked.st_dev, locked.st_ino)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes the scratch folders of workers that are dead. Returns whose they were.
///
/// # Errors
///
/// The folder cannot be read.
pub fn remove_abandoned_scratch(work_dir: &Path) -> io::Result<Vec<WorkerId>> {
    let entries = match fs::read_dir(work_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut removed = Vec::new();
    for entry in entries {
        let path = entry?.path();
        // Only folders that a worker made: the setting may point anywhere.
        let owner = path.file_name().and_then(|name| name.to_str()?.parse::<WorkerId>().ok());
        if let Some(owner) = owner
            && let Ok(Some(_lock)) = lock(&path)
        {
            // What cannot be removed yet (a dying ffmpeg still writes) is tried again later;
            // its owner is dead all the same.
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(%error, worker.id = %owner, "the scratch folder of a dead worker is left for later");
            }
            removed.push(owner);
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scratch_folders_of_dead_workers_are_removed() {
        let work = tempfile::tempdir().unwrap();
        let alive = Scratch::create(work.path(), WorkerId::generate()).unwrap();
        let died = WorkerId::generate();
        let dead = work.path().join(died.to_string());
        fs::create_dir_all(dead.join("job")).unwrap();
        fs::create_dir(work.path().join("somebody-else's")).unwrap();
        assert_eq!(remove_abandoned_scratch(work.path()).unwrap(), [died]);
        assert!(alive.path().exists() && !dead.exists());
        assert!(work.path().join("somebody-else's").exists());
        alive.remove();
        assert_eq!(remove_abandoned_scratch(work.path()).unwrap(), []);
    }
}
