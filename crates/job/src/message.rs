use serde::{Deserialize, Serialize};

use crate::{JobId, Kind};

/// What travels through a broker: a pointer to a job's row, never its payload.
///
/// Nothing in it is trusted: the worker reads the row again. So a message that
/// is lost, doubled or forged can delay a job, and can do nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Version of this form.
    pub v: u8,
    /// The job it points at.
    pub job: JobId,
    /// The job's kind, which decides the lane.
    pub kind: Kind,
}

/// A body that is no message of ours.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not our JSON form.
    #[error("not a message: {0}")]
    Form(#[from] serde_json::Error),
    /// Written by a version that we do not know.
    #[error("message version {0} is not known here")]
    Version(u8),
}

impl Message {
    /// The version that this code writes. What only has more fields is no other one: whoever does not know
    /// them passes over them.
    pub const VERSION: u8 = 1;

    /// Points at a job.
    #[must_use]
    pub fn to(job: JobId, kind: Kind) -> Self {
        Self { v: Self::VERSION, job, kind }
    }

    /// The body as a broker carries it.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::json!({"v": self.v, "job": self.job, "kind": self.kind}).to_string()
    }

    /// Reads a body that a broker delivered.
    ///
    /// # Errors
    ///
    /// A body of another form or version; the caller drops it with a log line,
    /// because the relay sends the job again if there is one.
    pub fn decode(body: &str) -> Result<Self, MessageError> {
        let message: Self = serde_json::from_str(body)?;
        if message.v == Self::VERSION { Ok(message) } else { Err(MessageError::Version(message.v)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B21: a message only points at its job.
    #[test]
    fn the_wire_form_is_fixed() {
        let job = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let message = Message::to(job, Kind::Transcode);
        let body = r#"{"job":"01890a5d-ac96-774b-bcce-b302099a8057","kind":"transcode","v":1}"#;
        assert_eq!(message.encode(), body);
        assert_eq!(Message::decode(body).unwrap(), message);
        // C11: of a version that has more to say.
        let more = body.replace("}", r#","more":{"some":[1]}}"#);
        assert_eq!(Message::decode(&more).unwrap(), message);
    }

    /// B21: another version.
    #[test]
    fn a_foreign_body_is_an_error_and_never_a_panic() {
        for body in ["", "{", "null", r#"{"v":1}"#, r#"{"v":1,"job":"x","kind":"transcode"}"#] {
            assert!(matches!(Message::decode(body), Err(MessageError::Form(_))), "{body}");
        }
        let newer = r#"{"v":2,"job":"01890a5d-ac96-774b-bcce-b302099a8057","kind":"transcode"}"#;
        assert!(matches!(Message::decode(newer), Err(MessageError::Version(2))));
    }
}
