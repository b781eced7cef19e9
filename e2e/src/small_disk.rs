//! A disk that is full soon.

use std::{fs, io, path::PathBuf};

use tempfile::TempDir;

/// A small file system in memory. It is unmounted when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    /// First, so that it goes before the folder that it is mounted on.
    _mounted: reelfleet_servers::SmallDisk,
    place: TempDir,
    filler: PathBuf,
}

impl SmallDisk {
    /// Mounts one.
    ///
    /// # Panics
    ///
    /// The right to mount is missing: this is said, not skipped.
    #[must_use]
    pub fn mount(megabytes: u32) -> Self {
        let place = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let mounted = reelfleet_servers::SmallDisk::mount(place.path(), &format!("{megabytes}m"));
        let filler = place.path().join("filler");
        Self { _mounted: mounted, place, filler }
    }

    /// A folder on it.
    ///
    /// # Panics
    ///
    /// It is full already.
    #[must_use]
    pub fn folder(&self) -> TempDir {
        tempfile::tempdir_in(self.place.path()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Writes until nothing more fits.
    ///
    /// # Panics
    ///
    /// It stops for another reason.
    pub fn fill(&self) {
        let mut zeros = io::repeat(0);
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.filler)
            .unwrap_or_else(|error| panic!("{error}"));
        let error = io::copy(&mut zeros, &mut file).err();
        let full = error.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull);
        assert!(full, "{error:?}");
    }

    /// Makes room again.
    pub fn free(&self) {
        let _ = fs::remove_file(&self.filler);
    }
}
