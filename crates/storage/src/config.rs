use std::path::PathBuf;

use reelfleet_runtime::{Var, Vars};

/// Where blobs are on local disk.
pub const STORAGE_DIR: Var =
    Var::new("STORAGE_DIR", "./data/blobs", "Folder that holds the blobs, for `local` storage.");

/// Which storage holds the blobs.
const STORAGE_TYPE: Var = Var::new("STORAGE_TYPE", "local", "What holds the blobs: `local`.");

/// The variables read here.
pub const VARS: &[Var] = &[STORAGE_TYPE, STORAGE_DIR];

/// Which storage to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageConfig {
    /// The folder that holds the blobs.
    pub dir: PathBuf,
}

impl StorageConfig {
    /// Reads the storage's variables and notes what is wrong with them.
    pub fn from_vars(vars: &mut Vars) -> Self {
        if vars.text(&STORAGE_TYPE).as_deref() != Some("local") {
            vars.problem(&STORAGE_TYPE, "expected `local`");
        }
        Self { dir: vars.text(&STORAGE_DIR).unwrap_or_default().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_variables_mean_local_disk_under_data() {
        let mut vars = Vars::of::<&str, &str>([]);
        let config = StorageConfig::from_vars(&mut vars);
        assert_eq!(config.dir, PathBuf::from("./data/blobs"));
        assert_eq!(vars.finish(), Ok(()));
    }

    #[test]
    fn an_unknown_storage_is_named_as_a_problem() {
        let mut vars = Vars::of([("STORAGE_TYPE", "floppy")]);
        let _ = StorageConfig::from_vars(&mut vars);
        let message = vars.finish().unwrap_err().to_string();
        assert!(message.contains("STORAGE_TYPE: expected `local`"), "{message}");
    }
}
