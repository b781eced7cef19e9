use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use reelfleet_db::StoredFile;
use reelfleet_job::VideoId;
use reelfleet_storage::Key;
use tokio_util::io::ReaderStream;

use super::range::{Asked, asked};
use crate::{
    auth::SignedIn,
    http::Id,
    problem::{Answer, Problem, codes, internal, problems},
    state::AppState,
};

/// What is read and sent at once.
const CHUNK: usize = 64 * 1024;

/// Media types that our own transcodes have; browsers may show these in place.
const SHOWN: &[&str] =
    &["video/mp4", "video/iso.segment", "image/jpeg", "application/vnd.apple.mpegurl"];

problems!(FileProblems: NOT_FOUND, BAD_RANGE);

/// A file of one of your videos. One range at a time.
#[utoipa::path(get, path = "/api/videos/{id}/files/{*name}", tag = "videos",
    params(
        ("id" = String, Path, description = "Id of the video."),
        ("name" = String, Path, description = "Name of the file; it may hold `/`."),
        ("Range" = Option<String>, Header, description = "`bytes=first-last`."),
        ("If-None-Match" = Option<String>, Header, description = "An `ETag` from before."),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The file.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "The range.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "It is as it was."),
        FileProblems,
    ))]
pub(crate) async fn file(
    State(state): State<AppState>,
    SignedIn { user, .. }: SignedIn,
    Id(id): Id<VideoId>,
    Path(named): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (_, name) = named;
    let stored = state.db.file(user.id, id, &name).await?.ok_or_else(Problem::not_found)?;
    let key = Key::output(stored.job, stored.epoch, &stored.file.name).map_err(|error| {
        tracing::error!(%error, %id, "a published file has no name of an output");
        internal()
    })?;
    // What an epoch published never changes, so its number is a strong tag.
    let tag = format!("\"{}-{}\"", stored.job, stored.epoch);
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_NONE_MATCH).is_some_and(|tags| names(tags, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, described(&stored, &tag)?).into_response());
    }
    let size = state.storage.size(&key).await?.ok_or_else(|| gone(id))?;
    // A range of another version would be joined with what the client has of this one.
    let same = text(header::IF_RANGE).is_none_or(|known| known == tag);
    let (status, first, bytes) = match asked(text(header::RANGE).filter(|_| same), size) {
        Asked::Whole => (StatusCode::OK, 0, size),
        Asked::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Asked::Outside => return Err(outside(size)),
    };
    let blob = state.storage.read(&key, first, Some(bytes)).await?.ok_or_else(|| gone(id))?;
    let mut response_headers = described(&stored, &tag)?;
    response_headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{size}", first + bytes - 1);
        response_headers.insert(header::CONTENT_RANGE, plain(&range)?);
    }
    let body = Body::from_stream(ReaderStream::with_capacity(blob.reader, CHUNK));
    Ok((status, response_headers, body).into_response())
}

fn described(stored: &StoredFile, tag: &str) -> Answer<HeaderMap> {
    let kind = stored.file.content_type.as_str();
    let (content_type, disposition) = match SHOWN.iter().find(|shown| **shown == kind) {
        Some(shown) => (*shown, "inline"),
        None => ("application/octet-stream", "attachment"),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    headers.insert(header::ETAG, plain(tag)?);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Kept by the owner's browser only, and asked about each time: it may be deleted.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'",
        ),
    );
    Ok(headers)
}

/// Whether an `If-None-Match` header names a tag.
fn names(tags: &str, tag: &str) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

fn plain(text: &str) -> Answer<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_not_ascii| internal())
}

fn outside(size: u64) -> Problem {
    let problem = Problem::new(&codes::BAD_RANGE, format!("The file has {size} bytes."));
    match HeaderValue::from_str(&format!("bytes */{size}")) {
        Ok(range) => problem.with_header(header::CONTENT_RANGE, range),
        Err(_not_ascii) => problem,
    }
}

/// The video was deleted, or published anew, between the row and the blob.
fn gone(id: VideoId) -> Problem {
    tracing::warn!(%id, "a published file is gone from storage");
    Problem::not_found()
}
