use multer::{Field, Multipart};

use super::{
    client_body::{BodyError, ClientBody, Unused},
    details::Details,
    receive::{Received, Receiving, not_read},
};
use crate::{
    problem::{Answer, Problem, codes},
    state::AppState,
};

/// Parts that a form may have, unknown ones counted.
const MOST_PARTS: usize = 16;
/// Bytes of the longest part that is no file.
const LONGEST_TEXT: usize = 4096;

/// Reads a form: one file, and details before or after it.
pub(super) async fn read(
    state: &AppState,
    body: ClientBody,
    boundary: String,
    details: &mut Details,
) -> Answer<Received> {
    let most = state.config.max_upload_bytes;
    let unused = body.unused();
    let mut form = Multipart::new(body, boundary);
    let mut received = None;
    for _ in 0..MOST_PARTS {
        let Some(part) = form.next_field().await.map_err(|error| malformed(&error, most))? else {
            return received.ok_or_else(|| {
                Problem::new(&codes::MISSING_FILE, "The form has no part named `file`.")
            });
        };
        unused.reset();
        match part.name().map(str::to_owned).as_deref() {
            Some("file") if received.is_some() => return Err(bad("There are two files.")),
            Some("file") => {
                if let Some(name) = part.file_name() {
                    details.set_filename(name);
                }
                received = Some(read_file(state, part, &unused).await?);
            }
            Some(name @ ("title" | "profile" | "priority")) => {
                let value = read_text(part, &unused, most).await?;
                let new = details.set(&state.config, name, &value).map_err(Problem::closing)?;
                if !new {
                    return Err(bad("A part is there twice."));
                }
            }
            // Forms of browsers and of other programs bring parts of their own.
            _ => drop(read_text(part, &unused, most).await?),
        }
    }
    Err(bad("There are too many parts."))
}

async fn read_file(state: &AppState, mut part: Field<'_>, unused: &Unused) -> Answer<Received> {
    let mut receiving = Receiving::begin(state).await.map_err(Problem::closing)?;
    let most = state.config.max_upload_bytes;
    while let Some(chunk) = part.chunk().await.map_err(|error| malformed(&error, most))? {
        unused.reset();
        receiving.write(state, &chunk).await?;
    }
    receiving.end().map_err(Problem::closing)
}

async fn read_text(mut part: Field<'_>, unused: &Unused, most: u64) -> Answer<String> {
    let mut text = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(|error| malformed(&error, most))? {
        unused.reset();
        if text.len() + chunk.len() > LONGEST_TEXT {
            return Err(bad("A part is too long."));
        }
        text.extend_from_slice(&chunk);
    }
    String::from_utf8(text).map_err(|_not_utf8| bad("A part is not UTF-8 text."))
}

fn malformed(error: &multer::Error, most: u64) -> Problem {
    if let multer::Error::StreamReadFailed(cause) = error
        && let Some(cause) = cause.downcast_ref::<BodyError>()
    {
        return not_read(*cause, most);
    }
    bad("The form is cut off or malformed.")
}

fn bad(detail: &'static str) -> Problem {
    Problem::new(&codes::BAD_MULTIPART, detail).closing()
}
