use std::fmt;

use reelfleet_job::FleetId;
use tokio::io::AsyncReadExt;

use crate::{Backend, Key, Result, Storage};

/// More than an id has, whatever was typed after it.
const LONGEST: u64 = 64;

/// A storage that is not this fleet's. Nothing may be removed from it, as what this fleet's
/// records do not name may be another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    /// The fleet that asked.
    pub ours: FleetId,
    /// The one that the storage names. None: it names none, and holds blobs.
    pub theirs: Option<FleetId>,
}

/// Says what to do, too: it is read by whoever has to decide.
impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.theirs {
            Some(theirs) => write!(f, "the storage belongs to the fleet {theirs}")?,
            None => f.write_str("the storage holds blobs and does not say of which fleet")?,
        }
        write!(
            f,
            ", and the database is that of the fleet {}: nothing is removed. Set DATABASE_URL and \
             the storage to those of one fleet; if they are, see \"Whose storage it is\" in \
             docs/OPERATIONS.md",
            self.ours
        )
    }
}

impl Storage {
    /// Takes the storage for a fleet if it names none and holds no blobs. Tells if it is not that
    /// fleet's. What it once said of itself is never written over.
    ///
    /// # Errors
    ///
    /// The storage is away.
    pub async fn take_for(&self, ours: FleetId) -> Result<Option<Foreign>> {
        let mut named = self.fleet().await?;
        if named.is_none() {
            if self.holds_nothing().await? {
                self.put_new(&Key::fleet(), ours.to_string()).await?;
            }
            // Whoever was quicker has it. One that was taken and filled in between names its fleet, too.
            named = self.fleet().await?;
        }
        let theirs = named.flatten();
        Ok((theirs != Some(ours)).then_some(Foreign { ours, theirs }))
    }

    /// What the storage says of itself: none if it says nothing, none in there if it is no id.
    async fn fleet(&self) -> Result<Option<Option<FleetId>>> {
        let Some(mut blob) = self.read(&Key::fleet(), 0, Some(LONGEST)).await? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        blob.reader.read_to_end(&mut bytes).await?;
        Ok(Some(str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok())))
    }

    async fn holds_nothing(&self) -> Result<bool> {
        match &self.backend {
            Backend::Local(local) => local.holds_nothing().await,
            Backend::S3(s3) => s3.holds_nothing().await,
        }
    }

    /// Stores a small blob unless there is one under its key.
    async fn put_new(&self, key: &Key, text: String) -> Result<()> {
        match &self.backend {
            Backend::Local(local) => local.put_new(key, text).await,
            Backend::S3(s3) => s3.put_new(key, text).await,
        }
    }
}
