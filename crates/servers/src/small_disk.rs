use std::path::{Path, PathBuf};

use crate::keeper::command;

/// A small file system in memory, on a folder. It is unmounted when this is dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of so many bytes; `600k` and `24m` are good, too.
    ///
    /// # Panics
    ///
    /// The right to mount is missing: this is said, not skipped.
    #[must_use]
    pub fn mount(at: &Path, size: &str) -> Self {
        let options = format!("size={size},mode=0777");
        let mounted = as_root(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs"], at);
        assert!(
            mounted,
            "the right to mount a file system is missing: run this as root or with sudo"
        );
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there loses it in his own time.
        as_root(&["umount", "-l"], &self.0);
    }
}

fn as_root(words: &[&str], path: &Path) -> bool {
    // Without being root, sudo may allow it, as it does on CI machines.
    let sudo: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["sudo", "-n"] };
    let mut words = sudo.iter().chain(words);
    let Some(program) = words.next() else { return false };
    command(program).args(words).arg(path).status().is_ok_and(|status| status.success())
}
