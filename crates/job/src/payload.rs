use serde::{Deserialize, Serialize};

use crate::{Kind, VideoId};

/// What a job's handler needs to know. Stored as JSON in the job's row. A field that a newer version adds is
/// passed over here, so what older versions must not overlook is another kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Payload {
    /// Transcode one video.
    Transcode {
        /// The video.
        video: VideoId,
        /// The profile's name.
        profile: String,
    },
    /// Do nothing.
    Noop,
}

impl Payload {
    /// The kind of job that this payload makes.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Transcode { .. } => Kind::Transcode,
            Self::Noop => Kind::Noop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_fixed() {
        let payload = Payload::Transcode {
            video: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            profile: "web".to_owned(),
        };
        let stored = r#"{"kind":"transcode","video":"01890a5d-ac96-774b-bcce-b302099a8057","profile":"web"}"#;
        assert_eq!(serde_json::to_string(&payload).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Payload>(stored).unwrap(), payload);
        // C11: of a version that has more to say.
        let more = stored.replace('}', r#","more":{"some":[1]}}"#);
        assert_eq!(serde_json::from_str::<Payload>(&more).unwrap(), payload);
        assert_eq!(serde_json::to_string(&Payload::Noop).unwrap(), r#"{"kind":"noop"}"#);
    }
}
