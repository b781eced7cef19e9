use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::FlockOperation;
use tokio::io::{AsyncWriteExt, BufWriter};
use uuid::Uuid;

use super::{blocking, cannot_link, folder};
use crate::{Key, Result};

/// Half of what an upload holds in memory: once gathered here, once on its way to disk.
const BUFFER: usize = 128 * 1024;

/// How often a new file is made when a sweep took it before its lock was held.
const TRIES: u32 = 5;

/// A file under a name that nobody looks for. Dropping it removes that name.
///
/// It is locked as long as it is open. A process that dies loses its locks, so
/// a file that can be locked belongs to nobody.
#[derive(Debug)]
pub(super) struct Temp {
    path: PathBuf,
    pub(super) file: File,
}

impl Temp {
    pub(super) fn create(root: &Path) -> io::Result<Self> {
        for _ in 0..TRIES {
            let path = root.join("tmp").join(Uuid::new_v4().to_string());
            let file =
                fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
            let temp = Self { path, file };
            let locked = rustix::fs::flock(&temp.file, FlockOperation::NonBlockingLockExclusive);
            if locked.is_ok() && temp.file.metadata()?.nlink() > 0 {
                return Ok(temp);
            }
        }
        Err(io::Error::other("new files are taken away"))
    }

    /// Makes the file durable, then visible.
    pub(super) fn publish(self, root: &Path, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        folder::publish(root, &self.path, path)
    }

    /// Makes it durable and visible, unless there is a blob under that name.
    pub(super) fn publish_new(self, root: &Path, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        match fs::hard_link(&self.path, folder::confine(root, path)?) {
            Ok(()) => File::open(root)?.sync_all(),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // Where nothing can be linked, the last of those who begin at once has it.
            Err(error) if cannot_link(&error) => folder::publish(root, &self.path, path),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // After a publish there is nothing under this name. What cannot be
        // removed now is swept up later.
        let _ = fs::remove_file(&self.path);
    }
}

/// A blob that is being written, into a temporary file.
#[derive(Debug)]
pub(crate) struct Upload {
    root: Arc<Path>,
    path: PathBuf,
    temp: Temp,
    writer: BufWriter<tokio::fs::File>,
    bytes: u64,
}

impl Upload {
    pub(super) async fn begin(root: &Arc<Path>, key: &Key) -> Result<Self> {
        let (root, path) = (Arc::clone(root), key.path());
        blocking(move || {
            let temp = Temp::create(&root)?;
            let mut file = tokio::fs::File::from_std(temp.file.try_clone()?);
            file.set_max_buf_size(BUFFER);
            let writer = BufWriter::with_capacity(BUFFER, file);
            Ok(Self { root, path, temp, writer, bytes: 0 })
        })
        .await
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).await?;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        Ok(())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) async fn publish(self) -> Result<()> {
        let Self { root, path, temp, mut writer, .. } = self;
        writer.flush().await?;
        blocking(move || Ok(temp.publish(&root, &path)?)).await
    }
}
