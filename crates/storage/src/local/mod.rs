mod blob;
mod folder;
mod sweep;
#[cfg(test)]
mod tests;
mod upload;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use reelfleet_job::{JobId, VideoId};
use reelfleet_runtime::Clock;
use rustix::io::Errno;

use crate::{Blob, Error, Key, Result, error::is_missing};

pub(crate) use folder::open_file;
pub(crate) use upload::Upload;

/// With less than this free, nothing new is accepted: databases and logs on
/// the same disk need room to say that it is full.
const LEAST_FREE: u64 = 16 * 1024 * 1024;

/// Blobs in a folder: `sources/`, `outputs/`, and `tmp/` for what is being written.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    root: Arc<Path>,
    clock: Clock,
}

impl Local {
    pub(crate) async fn open(dir: &Path) -> Result<Self> {
        let dir = dir.to_owned();
        blocking(move || {
            for folder in ["sources", "outputs", "tmp"] {
                fs::create_dir_all(dir.join(folder))?;
            }
            // The folder itself may be a link that the operator chose; below
            // it none is followed.
            let root: Arc<Path> = fs::canonicalize(&dir)?.into();
            upload::Temp::create(&root)?;
            Ok(Self { root, clock: Clock::system() })
        })
        .await
    }

    pub(crate) async fn check(&self) -> Result<()> {
        let root = Arc::clone(&self.root);
        blocking(move || Ok(upload::Temp::create(&root).map(drop)?)).await?;
        if self.free_bytes().await? < LEAST_FREE { Err(Error::DiskFull) } else { Ok(()) }
    }

    pub(crate) async fn free_bytes(&self) -> Result<u64> {
        let root = Arc::clone(&self.root);
        blocking(move || {
            let stat = rustix::fs::statvfs(&*root)?;
            Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
        })
        .await
    }

    pub(crate) async fn upload(&self, key: &Key) -> Result<Upload> {
        Upload::begin(&self.root, key).await
    }

    pub(crate) async fn read(
        &self,
        key: &Key,
        start: u64,
        len: Option<u64>,
    ) -> Result<Option<Blob>> {
        let Some((file, size)) = self.find(key).await? else { return Ok(None) };
        Blob::open(file, size, start, len).await.map(Some)
    }

    pub(crate) async fn size(&self, key: &Key) -> Result<Option<u64>> {
        Ok(self.find(key).await?.map(|(_, size)| size))
    }

    /// Opens a blob, with its size.
    async fn find(&self, key: &Key) -> Result<Option<(fs::File, u64)>> {
        let (root, path) = (Arc::clone(&self.root), key.path());
        blocking(move || match folder::open_file(&folder::confine(&root, &path)?) {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    pub(crate) async fn fetch(&self, key: &Key, to: &Path) -> Result<()> {
        let (root, path, to) = (Arc::clone(&self.root), key.path(), to.to_owned());
        blocking(move || {
            let from = folder::confine(&root, &path)?;
            let (mut file, _) = folder::open_file(&from).map_err(Error::of_blob)?;
            match fs::hard_link(&from, &to) {
                Err(error) if cannot_link(&error) => {}
                linked => return Ok(linked?),
            }
            let mut copy = fs::OpenOptions::new().write(true).create_new(true).open(&to)?;
            io::copy(&mut file, &mut copy).map(drop).or_else(|error| {
                fs::remove_file(&to)?;
                Err(error.into())
            })
        })
        .await
    }

    pub(crate) async fn put_file(&self, from: &Path, key: &Key) -> Result<()> {
        let (root, from, path) = (Arc::clone(&self.root), from.to_owned(), key.path());
        blocking(move || {
            let (mut file, _) = folder::open_file(&from).map_err(Error::of_blob)?;
            file.sync_all()?;
            match folder::publish(&root, &from, &path) {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => {}
                moved => return Ok(moved?),
            }
            let mut temp = upload::Temp::create(&root)?;
            io::copy(&mut file, &mut temp.file)?;
            temp.publish(&root, &path)?;
            // It is stored; what is left behind only takes up space that the
            // owner of the folder frees with it.
            let _ = fs::remove_file(&from);
            Ok(())
        })
        .await
    }

    pub(crate) async fn put_new(&self, key: &Key, text: String) -> Result<()> {
        let (root, path) = (Arc::clone(&self.root), key.path());
        blocking(move || {
            let mut temp = upload::Temp::create(&root)?;
            temp.file.write_all(text.as_bytes())?;
            Ok(temp.publish_new(&root, &path)?)
        })
        .await
    }

    pub(crate) async fn remove(&self, key: &Key) -> Result<()> {
        let (root, path) = (Arc::clone(&self.root), key.path());
        blocking(move || {
            match fs::remove_file(folder::confine(&root, &path)?) {
                Err(error) if !is_missing(&error) => return Err(error.into()),
                _ => {}
            }
            folder::prune(&root, &path);
            Ok(())
        })
        .await
    }

    pub(crate) async fn remove_job(&self, job: JobId) -> Result<()> {
        self.remove_folder(PathBuf::from(format!("outputs/{job}"))).await
    }

    pub(crate) async fn remove_epoch(&self, job: JobId, epoch: u64) -> Result<()> {
        self.remove_folder(PathBuf::from(format!("outputs/{job}/{epoch}"))).await
    }

    async fn remove_folder(&self, path: PathBuf) -> Result<()> {
        let root = Arc::clone(&self.root);
        blocking(move || {
            match fs::remove_dir_all(folder::confine(&root, &path)?) {
                Err(error) if !is_missing(&error) => return Err(error.into()),
                _ => {}
            }
            folder::prune(&root, &path);
            Ok(())
        })
        .await
    }

    pub(crate) async fn holds_nothing(&self) -> Result<bool> {
        let root = Arc::clone(&self.root);
        blocking(move || {
            for folder in ["sources", "outputs"] {
                if fs::read_dir(root.join(folder))?.next().is_some() {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    pub(crate) async fn output_epochs(&self) -> Result<Vec<(JobId, u64)>> {
        let root = Arc::clone(&self.root);
        blocking(move || sweep::output_epochs(&root)).await
    }

    pub(crate) async fn sources(&self) -> Result<Vec<VideoId>> {
        let root = Arc::clone(&self.root);
        blocking(move || sweep::sources(&root)).await
    }

    pub(crate) async fn remove_abandoned_uploads(&self, min_age: Duration) -> Result<u64> {
        let (root, now) = (Arc::clone(&self.root), self.clock.now());
        blocking(move || sweep::remove_abandoned_uploads(&root, now, min_age)).await
    }
}

/// Another file system, too many links, or a system that lets only owners link: copy then.
fn cannot_link(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::XDEV | Errno::PERM | Errno::MLINK | Errno::NOTSUP)
    )
}

/// Runs file work off the runtime's threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::Unavailable(io::Error::other(error))))
}
