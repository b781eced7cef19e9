//! A disk that is full soon.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A small file system in memory. It is unmounted when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    place: TempDir,
    filler: PathBuf,
}

fn run(words: &[&str], path: &Path) -> bool {
    // Without being root, sudo may allow it, as it does on CI machines.
    let is_root = rustix::process::geteuid().is_root();
    let words: Vec<&str> = if is_root { words.to_vec() } else { [&["sudo", "-n"], words].concat() };
    let Some((program, words)) = words.split_first() else { return false };
    #[expect(clippy::disallowed_methods, reason = "tests mount their own disks")]
    Command::new(program).args(words).arg(path).status().is_ok_and(|status| status.success())
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
        let options = format!("size={megabytes}m,mode=0777");
        let mounted = run(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs"], place.path());
        assert!(
            mounted,
            "the right to mount a file system is missing: run this as root or with sudo"
        );
        let filler = place.path().join("filler");
        Self { place, filler }
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

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there loses it in his own time.
        run(&["umount", "-l"], self.place.path());
    }
}
