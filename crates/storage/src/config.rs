use std::{path::PathBuf, str::FromStr};

use reelfleet_aws::AwsConfig;
use reelfleet_runtime::{Var, Vars};

/// Where blobs are on local disk.
pub const STORAGE_DIR: Var =
    Var::new("STORAGE_DIR", "./data/blobs", "Folder that holds the blobs, for `local` storage.");

/// Which storage holds the blobs.
pub const STORAGE_TYPE: Var =
    Var::new("STORAGE_TYPE", "local", "What holds the blobs: `local` or `s3`.");

const S3_BUCKET: Var = Var::new(
    "S3_BUCKET",
    "",
    "The bucket. It belongs to this fleet alone: what no record names is removed from it. Needed for `s3`.",
);

const S3_REGION: Var = Var::new(
    "S3_REGION",
    "",
    "Region of the bucket. Default: as the AWS SDK finds it (`AWS_REGION`, profile, instance).",
);

/// The variables read here.
pub const VARS: &[Var] = &[STORAGE_TYPE, STORAGE_DIR, S3_BUCKET, S3_REGION];

/// Which storage to open.
#[derive(Debug, Clone)]
pub enum StorageConfig {
    /// Local disk.
    Local {
        /// The folder that holds the blobs.
        dir: PathBuf,
    },
    /// S3.
    S3(S3Config),
}

/// Which bucket, and how it is reached.
#[derive(Debug, Clone, Default)]
pub struct S3Config {
    /// The bucket's name.
    pub bucket: String,
    /// How AWS is reached.
    pub aws: AwsConfig,
}

#[derive(Debug, Clone, Copy, Default)]
enum Kind {
    #[default]
    Local,
    S3,
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "local" => Ok(Self::Local),
            "s3" => Ok(Self::S3),
            _ => Err("expected `local` or `s3`"),
        }
    }
}

impl StorageConfig {
    /// Reads the storage's variables and notes what is wrong with them.
    pub fn from_vars(vars: &mut Vars) -> Self {
        match vars.parse(&STORAGE_TYPE) {
            Kind::Local => Self::Local { dir: vars.text(&STORAGE_DIR).unwrap_or_default().into() },
            Kind::S3 => Self::S3(S3Config::from_vars(vars)),
        }
    }
}

impl S3Config {
    fn from_vars(vars: &mut Vars) -> Self {
        let bucket = vars.text(&S3_BUCKET).unwrap_or_default();
        if bucket.is_empty() {
            vars.problem(&S3_BUCKET, format!("is needed with this {}", STORAGE_TYPE.name));
        }
        Self { bucket, aws: AwsConfig::from_vars(vars, &S3_REGION) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_variables_mean_local_disk_under_data() {
        let mut vars = Vars::of::<&str, &str>([]);
        let config = StorageConfig::from_vars(&mut vars);
        assert!(matches!(config, StorageConfig::Local { dir } if dir.ends_with("data/blobs")));
        assert_eq!(vars.finish(), Ok(()));
    }

    #[test]
    fn an_unknown_storage_is_named_as_a_problem() {
        let mut vars = Vars::of([("STORAGE_TYPE", "floppy")]);
        let _ = StorageConfig::from_vars(&mut vars);
        let message = vars.finish().unwrap_err().to_string();
        assert!(message.contains("STORAGE_TYPE: expected `local` or `s3`"), "{message}");
    }

    #[test]
    fn what_s3_needs_is_named_as_a_problem() {
        let mut vars = Vars::of([("STORAGE_TYPE", "s3")]);
        let _ = StorageConfig::from_vars(&mut vars);
        let message = vars.finish().unwrap_err().to_string();
        assert!(message.contains("S3_BUCKET: is needed"), "{message}");
    }
}
