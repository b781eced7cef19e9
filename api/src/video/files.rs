use std::time::Duration;

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use reelfleet_db::StoredFile;
use reelfleet_job::VideoId;
use reelfleet_storage::{Key, SignedAs};
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

const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// Media types that our own transcodes have; browsers may show these in place.
const SHOWN: &[&str] = &["video/mp4", "video/iso.segment", "image/jpeg", PLAYLIST];

/// Kept by the owner's browser only, and asked about each time: it may be deleted.
const CACHED: &str = "private, no-cache";

/// How long a signed URL reads its file. Browsers may go on asking where they were led to, so
/// this is also how long a video may be paused.
const SIGNED_FOR: Duration = Duration::from_secs(60 * 60);

problems!(FileProblems: NOT_FOUND, BAD_RANGE);

/// A file of one of your videos. One range at a time.
///
/// From S3 it comes directly: the answer leads to an address that reads this file alone, for an
/// hour. Send no `Authorization` header there.
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
        (status = 302, description = "Where the file is.", headers(("Location" = String, description = "A signed URL."))),
        (status = 304, description = "It is as it was."),
        FileProblems,
    ))]
pub(crate) async fn file(
    State(state): State<AppState>,
    SignedIn { user, .. }: SignedIn,
    Id(id): Id<VideoId>,
    Path(named): Path<(String, String)>,
    method: Method,
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
    if is_led_elsewhere(&method, &stored)
        && let Some(answer) = lead(&state, &stored, &key).await?
    {
        return Ok(answer);
    }
    let size = state.storage.size(&key).await?.ok_or_else(|| gone(id))?;
    // A range of another version would be joined with what the client has of this one.
    let same = text(header::IF_RANGE).is_none_or(|known| known == tag);
    let (status, first, bytes) = match asked(text(header::RANGE).filter(|_| same), size) {
        Asked::Whole => (StatusCode::OK, 0, size),
        Asked::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Asked::Outside => return Err(outside(size)),
    };
    let mut response_headers = described(&stored, &tag)?;
    response_headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{size}", first + bytes - 1);
        response_headers.insert(header::CONTENT_RANGE, plain(&range)?);
    }
    if method == Method::HEAD {
        return Ok((status, response_headers, Body::empty()).into_response());
    }
    let blob = state.storage.read(&key, first, Some(bytes)).await?.ok_or_else(|| gone(id))?;
    let body = Body::from_stream(ReaderStream::with_capacity(blob.reader, CHUNK));
    Ok((status, response_headers, body).into_response())
}

/// Whether the client may be sent elsewhere for a file.
///
/// Not for a playlist: players look for what it names beside where it came from, and a signed
/// URL reads one file only. Its segments are asked for here, one by one, and each is led on.
/// Nor for a `HEAD`: the method is part of what is signed.
fn is_led_elsewhere(method: &Method, stored: &StoredFile) -> bool {
    method == Method::GET && stored.file.content_type != PLAYLIST
}

/// Leads the owner to where the storage serves the file itself, if it does. What asked for a
/// range asks there for the same.
async fn lead(state: &AppState, stored: &StoredFile, key: &Key) -> Answer<Option<Response>> {
    let (content_type, disposition) = shown_as(stored);
    let shown = SignedAs { content_type, disposition, cache_control: CACHED };
    let Some(url) = state.storage.signed_url(key, SIGNED_FOR, shown).await? else {
        return Ok(None);
    };
    let mut location = plain(url.expose())?;
    location.set_sensitive(true);
    let no_store = HeaderValue::from_static("no-store");
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, no_store)];
    Ok(Some((StatusCode::FOUND, headers).into_response()))
}

/// Media type and disposition.
fn shown_as(stored: &StoredFile) -> (&'static str, &'static str) {
    let kind = stored.file.content_type.as_str();
    match SHOWN.iter().find(|shown| **shown == kind) {
        Some(shown) => (shown, "inline"),
        None => ("application/octet-stream", "attachment"),
    }
}

fn described(stored: &StoredFile, tag: &str) -> Answer<HeaderMap> {
    let (content_type, disposition) = shown_as(stored);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    headers.insert(header::ETAG, plain(tag)?);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHED));
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
