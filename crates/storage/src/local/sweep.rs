use std::{
    fs, io,
    path::Path,
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

use reelfleet_job::{JobId, VideoId};
use reelfleet_runtime::Timestamp;
use rustix::{fs::FlockOperation, io::Errno};

use super::folder;
use crate::{Result, error::is_missing};

pub(super) fn output_epochs(root: &Path) -> Result<Vec<(JobId, u64)>> {
    let outputs = root.join("outputs");
    let mut found = Vec::new();
    for (job, name) in named(&outputs)? {
        for (epoch, _) in named(&outputs.join(name))? {
            found.push((job, epoch));
        }
    }
    Ok(found)
}

pub(super) fn sources(root: &Path) -> Result<Vec<VideoId>> {
    let sources = root.join("sources");
    let mut found = Vec::new();
    for (video, name) in named(&sources)? {
        if sources.join(name).is_file() {
            found.push(video);
        }
    }
    Ok(found)
}

pub(super) fn remove_abandoned_uploads(
    root: &Path,
    now: Timestamp,
    min_age: Duration,
) -> Result<u64> {
    let tmp = root.join("tmp");
    let mut removed = 0;
    for (_, name) in named::<String>(&tmp)? {
        let path = tmp.join(name);
        if is_old(&path, now, min_age)? && remove_unlocked(&path)? {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes a file unless a living process has it open as an upload.
fn remove_unlocked(path: &Path) -> io::Result<bool> {
    let (file, _) = match folder::open_file(path) {
        Ok(opened) => opened,
        Err(error) if is_missing(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(false),
        locked => locked?,
    }
    match fs::remove_file(path) {
        // Published or given up just before the lock was ours.
        Err(error) if is_missing(&error) => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// The entries of a folder whose whole name reads as `T`, each with that name.
/// Anything else in there is not ours and stays.
fn named<T: FromStr + ToString>(folder: &Path) -> io::Result<Vec<(T, String)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if is_missing(&error) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if entry.file_type()?.is_symlink() {
            continue;
        }
        if let Ok(value) = name.parse::<T>()
            && value.to_string() == name
        {
            found.push((value, name));
        }
    }
    Ok(found)
}

/// A file last written `min_age` ago or earlier. One that has just gone is not.
fn is_old(path: &Path, now: Timestamp, min_age: Duration) -> io::Result<bool> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if is_missing(&error) => return Ok(false),
        metadata => metadata?,
    };
    let written = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let written = Timestamp::from_millis(i64::try_from(written.as_millis()).unwrap_or(i64::MAX));
    Ok(metadata.is_file() && now.since(written) >= min_age)
}
