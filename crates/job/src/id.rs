use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected a UUID")]
pub struct IdError;

/// Declares one id type. Each is its own type, so that a video's id cannot be
/// passed where a job's is meant.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id (UUID version 7: rows made one after the other lie side by side in an index).
            /// The time inside is for locality only and is never read back.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                // Only the form we print: one id has one spelling, in paths as in logs.
                let id = Uuid::try_parse(text).map_err(|_| IdError)?;
                if id.to_string() == text { Ok(Self(id)) } else { Err(IdError) }
            }
        }
    };
}

id! {
    /// Names one job.
    JobId
}
id! {
    /// Names one video.
    VideoId
}
id! {
    /// Names one user.
    UserId
}
id! {
    /// Names one run of one worker process.
    WorkerId
}
id! {
    /// Names one fleet: what shares a database and a storage.
    FleetId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let id = JobId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let upper = JobId::generate().to_string().to_uppercase();
        for text in ["", "x", "../../etc", upper.as_str()] {
            assert_eq!(text.parse::<JobId>(), Err(IdError), "{text}");
        }
    }
}
