//! The folder that holds everything of one local fleet.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rand::distr::{Alphanumeric, SampleString};
use rustix::fs::{FlockOperation, flock};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// A data folder that this process alone uses.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    _lock: File,
}

/// What is made at the first start and never printed.
#[derive(Serialize, Deserialize)]
struct Secrets {
    jwt_secret: String,
}

/// Where a running fleet is, for the commands on the same machine.
#[derive(Serialize)]
struct Running<'a> {
    url: &'a str,
    token: &'a str,
    pid: u32,
}

impl Home {
    /// Makes the folder if need be and takes it for this process.
    pub(crate) fn take(path: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::unavailable(format!(
                "the data folder {} cannot be used: {error}",
                path.display()
            ))
        };
        // Only its owner reads it: it holds people's videos and the secrets.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        // Also when somebody else made it, with a wider mode.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        let lock = private().create(true).open(path.join("lock")).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Failure::unavailable(format!(
                "another `reelfleet up` runs in {}: stop it, or choose another folder with --data",
                path.display()
            ))
        })?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn database_url(&self) -> String {
        format!("sqlite:{}", self.path.join("reelfleet.db").display())
    }

    pub(crate) fn blobs(&self) -> String {
        self.path.join("blobs").display().to_string()
    }

    pub(crate) fn work(&self) -> String {
        self.path.join("work").display().to_string()
    }

    /// The secret that signs tokens: made at the first start, the same ever after.
    pub(crate) fn jwt_secret(&self) -> Result<SecretString, Failure> {
        let path = self.path.join("secrets.json");
        let failed = |error: &dyn std::fmt::Display| {
            Failure::unavailable(format!("{} cannot be used: {error}", path.display()))
        };
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<Secrets>(&bytes)
                .map(|secrets| secrets.jwt_secret.into())
                .map_err(|error| failed(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let jwt_secret = Alphanumeric.sample_string(&mut rand::rng(), 64);
                self.write("secrets.json", &Secrets { jwt_secret: jwt_secret.clone() })
                    .map_err(|error| failed(&error))?;
                Ok(jwt_secret.into())
            }
            Err(error) => Err(failed(&error)),
        }
    }

    /// Leaves word of where the fleet is. Readable by the owner only: it holds a token.
    pub(crate) fn announce(&self, url: &str, token: &SecretString) -> Result<(), Failure> {
        let running = Running { url, token: token.expose_secret(), pid: std::process::id() };
        self.write("fleet.json", &running).map_err(|error| {
            Failure::unavailable(format!("the data folder cannot be written: {error}"))
        })
    }

    /// Takes that word back.
    pub(crate) fn withdraw(&self) {
        // If it stays, the commands say that nobody answers there.
        let _ = fs::remove_file(self.path.join("fleet.json"));
    }

    /// Writes a file whole or not at all.
    fn write(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let fresh = self.path.join(format!("{name}.new"));
        let mut file = private().create(true).truncate(true).open(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.sync_all()?;
        fs::rename(fresh, self.path.join(name))
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_the_same_and_are_readable_by_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::take(&folder.path().join("data")).unwrap();
        let first = home.jwt_secret().unwrap();
        assert_eq!(first.expose_secret().len(), 64);
        assert_eq!(first.expose_secret(), home.jwt_secret().unwrap().expose_secret());
        home.announce("http://127.0.0.1:1", &"token".into()).unwrap();
        for name in ["secrets.json", "fleet.json", "lock"] {
            let mode = fs::metadata(home.path.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        home.withdraw();
        assert!(!home.path.join("fleet.json").exists());
    }

    #[test]
    fn a_folder_belongs_to_one_fleet_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Home::take(folder.path()).unwrap();
        assert!(Home::take(folder.path()).is_err());
        drop(first);
        assert!(Home::take(folder.path()).is_ok());
    }
}
