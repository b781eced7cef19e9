//! Paths below the storage's folder: no link is followed, and what is renamed into place is durable.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Component, Path, PathBuf},
};

use rustix::fs::OFlags;

use crate::error::is_missing;

/// How often a rename is tried again when the folder was pruned under it.
const TRIES: u32 = 5;

/// The full path of `path`, once it is known that no folder on the way is a
/// link. A link at the end is refused by those who open it.
pub(super) fn confine(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut full = root.to_owned();
    for part in path.components() {
        match fs::symlink_metadata(&full) {
            Ok(metadata) if metadata.is_symlink() => return Err(stray("a link is in the way")),
            Ok(_) => {}
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error),
        }
        // Keys hold plain names only; this keeps it so for whoever comes next.
        let Component::Normal(name) = part else { return Err(stray("not a plain path")) };
        full.push(name);
    }
    Ok(full)
}

fn stray(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, what)
}

/// Opens a regular file, with its size. Neither follows a link nor waits for a pipe's writer.
pub(crate) fn open_file(path: &Path) -> io::Result<(File, u64)> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file =
        fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(stray("not a regular file"));
    }
    Ok((file, metadata.len()))
}

/// Renames a synced file into place and syncs the folders that now name it.
pub(super) fn publish(root: &Path, from: &Path, path: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        match try_publish(root, from, path) {
            // Whoever removed the last neighbour also removed the empty folder.
            Err(error) if is_missing(&error) && tries < TRIES && from.exists() => {}
            Err(error) => {
                prune(root, path);
                return Err(error);
            }
            Ok(()) => return Ok(()),
        }
    }
}

fn try_publish(root: &Path, from: &Path, path: &Path) -> io::Result<()> {
    let to = confine(root, path)?;
    let Some(parent) = to.parent() else { return Err(stray("not below the folder")) };
    let mut changed = vec![parent];
    let mut folder = parent;
    while folder != root && !folder.exists() {
        let Some(above) = folder.parent() else { break };
        changed.push(above);
        folder = above;
    }
    fs::create_dir_all(parent)?;
    fs::rename(from, &to)?;
    changed.into_iter().try_for_each(|folder| File::open(folder)?.sync_all())
}

/// Removes the folders above `path` that are empty now, up to the first level, which stays.
pub(super) fn prune(root: &Path, path: &Path) {
    for parent in path.ancestors().skip(1) {
        // A folder that is not empty ends it; so does one that somebody else removed.
        if parent.components().count() < 2 || fs::remove_dir(root.join(parent)).is_err() {
            return;
        }
    }
}
