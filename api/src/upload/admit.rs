use axum::http::{HeaderMap, header};
use reelfleet_db::User;

use super::{
    details::{Details, key_of},
    gate::{Gate, Pass},
    receive::too_large,
};
use crate::{
    problem::{Answer, Problem, codes, disk_full},
    state::AppState,
};

/// What a form takes besides the file: boundaries, heads of parts, short texts.
const FORM_OVERHEAD: u64 = 1024 * 1024;

/// How the body holds the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A form, with its boundary.
    Form(String),
    /// Nothing but the file.
    Raw,
}

/// An upload whose body may be read.
pub(super) struct Admitted {
    pub(super) shape: Shape,
    pub(super) key: Option<String>,
    pub(super) details: Details,
    pub(super) pass: Pass,
    /// Bytes that the whole body may have.
    pub(super) most: u64,
}

/// Decides by the head alone, before a byte of the body is read.
pub(super) async fn admit(
    state: &AppState,
    user: &User,
    headers: &HeaderMap,
    query: &[(String, String)],
) -> Answer<Admitted> {
    let shape = shape_of(headers)?;
    let key = key_of(headers)?;
    let mut details = Details::default();
    if shape == Shape::Raw {
        for (name, value) in query {
            details.set(&state.config, name, value)?;
        }
    }
    let overhead = if shape == Shape::Raw { 0 } else { FORM_OVERHEAD };
    let most = state.config.max_upload_bytes.saturating_add(overhead);
    let declared = length_of(headers);
    match declared {
        Some(0) => return Err(Problem::new(&codes::EMPTY_FILE, "The body has no content.")),
        Some(bytes) if bytes > most => return Err(too_large(state.config.max_upload_bytes)),
        _ => {}
    }
    let pass = Gate::enter(state, user.id)?;
    check_quota(state, user, key.as_deref(), &pass).await?;
    check_disk(state, declared.unwrap_or(0)).await?;
    Ok(Admitted { shape, key, details, pass, most })
}

/// Uploads under way count as well: each of them is about to be an unfinished video.
async fn check_quota(state: &AppState, user: &User, key: Option<&str>, pass: &Pass) -> Answer<()> {
    let quota = state.config.quota_unfinished_videos;
    let unfinished = state.db.unfinished_videos(user.id).await?;
    if unfinished.saturating_add(u64::from(pass.of_user)) <= quota {
        return Ok(());
    }
    // A repeated upload adds no video, and its client only wants the answer it missed.
    if let Some(key) = key
        && state.db.video_by_key(user.id, key).await?.is_some()
    {
        return Ok(());
    }
    let detail = format!("You may have {quota} unfinished videos at a time. Wait for some.");
    Err(Problem::new(&codes::QUOTA_EXCEEDED, detail).retry_after(30))
}

async fn check_disk(state: &AppState, declared: u64) -> Answer<()> {
    let Some(free) = state.storage.free_bytes().await? else { return Ok(()) };
    if free < state.config.min_free_disk_bytes.saturating_add(declared) {
        tracing::warn!(free, declared, "an upload was refused for want of space");
        return Err(disk_full());
    }
    Ok(())
}

fn shape_of(headers: &HeaderMap) -> Answer<Shape> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let text = text.unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "multipart/form-data" {
        return multer::parse_boundary(text).map(Shape::Form).map_err(|_error| {
            Problem::new(&codes::BAD_MULTIPART, "The form's boundary is missing.")
        });
    }
    if essence.starts_with("video/") || essence == "application/octet-stream" {
        return Ok(Shape::Raw);
    }
    Err(Problem::new(
        &codes::UNSUPPORTED_MEDIA_TYPE,
        "Send a form (`multipart/form-data`), or the file itself as `video/…` or `application/octet-stream`.",
    ))
}

fn length_of(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_decides_how_the_body_is_read() {
        for (media_type, shape) in [
            ("video/mp4", Ok(Shape::Raw)),
            ("Video/X-Matroska; codecs=x", Ok(Shape::Raw)),
            ("application/octet-stream", Ok(Shape::Raw)),
            ("multipart/form-data; boundary=x", Ok(Shape::Form("x".to_owned()))),
            ("multipart/form-data", Err(&codes::BAD_MULTIPART)),
            ("text/html", Err(&codes::UNSUPPORTED_MEDIA_TYPE)),
            ("application/json", Err(&codes::UNSUPPORTED_MEDIA_TYPE)),
            ("", Err(&codes::UNSUPPORTED_MEDIA_TYPE)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
            let found = shape_of(&headers).map_err(|problem| problem.code);
            assert_eq!(found, shape, "{media_type}");
        }
    }
}
