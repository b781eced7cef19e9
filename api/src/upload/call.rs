use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use futures_util::StreamExt;

use super::{
    admit::{Admitted, Shape, admit},
    client_body::{BodyLimits, ClientBody},
    finish::finish,
    form,
    receive::{Received, Receiving, not_read},
};
use crate::{
    auth::SignedIn,
    http::Query,
    problem::{Answer, Problem, internal, problems},
    state::AppState,
    video::{VideoBody, expected_at},
};

problems!(UploadProblems: BAD_MULTIPART, MISSING_FILE, EMPTY_FILE, BAD_QUERY, UNFINISHED_BODY,
    UPLOAD_TOO_SLOW, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, UNKNOWN_PROFILE, UNKNOWN_PRIORITY, BAD_TITLE,
    BAD_IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_REUSED, QUOTA_EXCEEDED, TOO_MANY_UPLOADS, BUSY, DISK_FULL);

/// A form with a video.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it only describes the form")]
pub(super) struct UploadForm {
    /// The video.
    #[schema(value_type = String, format = "binary")]
    file: Vec<u8>,
    /// At most 200 characters; the file's name if it is missing.
    title: Option<String>,
    /// Name of a profile.
    profile: Option<String>,
    /// `high`, `normal` or `low`.
    priority: Option<String>,
}

/// Uploads a video.
#[utoipa::path(post, path = "/api/videos", tag = "videos", security(("bearer" = []), ("cookie" = [])),
    params(
        ("title" = Option<String>, Query, description = "With the file as the body: its title."),
        ("profile" = Option<String>, Query, description = "With the file as the body: name of a profile."),
        ("priority" = Option<String>, Query, description = "With the file as the body: `high`, `normal` or `low`."),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters. Repeating an upload under its key adds no video."),
    ),
    request_body(content((UploadForm = "multipart/form-data"), (String = "application/octet-stream"), (String = "video/*")),
        description = "A form, or the file itself with its details in the query."),
    responses(
        (status = 202, description = "The video, waiting for a worker.", body = VideoBody,
            headers(("Location" = String, description = "Where the video is."))),
        UploadProblems,
    ))]
pub(crate) async fn upload(
    State(state): State<AppState>,
    signed_in: Answer<SignedIn>,
    query: Answer<Query<Vec<(String, String)>>>,
    request: Request,
) -> Answer<(StatusCode, [(HeaderName, HeaderValue); 1], Json<VideoBody>)> {
    // Whoever is refused by the head alone may be sending already: the
    // connection closes after the answer instead of reading it all.
    let user = signed_in.map_err(Problem::closing)?.user;
    let Query(query) = query.map_err(Problem::closing)?;
    let admitted =
        admit(&state, &user, request.headers(), &query).await.map_err(Problem::closing)?;
    let Admitted { shape, key, mut details, pass, most } = admitted;
    let limits = BodyLimits {
        most,
        stall: state.config.upload_stall,
        stall_bytes: state.config.upload_stall_bytes,
    };
    let body = ClientBody::new(request.into_body(), limits);
    let received = match shape {
        Shape::Form(boundary) => form::read(&state, body, boundary, &mut details).await?,
        Shape::Raw => read_raw(&state, body).await?,
    };
    let settled = details.settle(&state.config);
    // From here on a client that goes away must not leave half of it done.
    let finishing = tokio::spawn({
        let state = state.clone();
        async move {
            let finished = finish(&state, user.id, key, received, settled).await;
            drop(pass);
            finished
        }
    });
    let video = finishing.await.map_err(|_panicked| internal())??;
    let location = HeaderValue::from_str(&format!("/api/videos/{}", video.id))
        .map_err(|_not_ascii| internal())?;
    let expected = expected_at(&state, [&video]).await.pop().flatten();
    let body = VideoBody::expected(&video, expected);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(body)))
}

async fn read_raw(state: &AppState, mut body: ClientBody) -> Answer<Received> {
    let unused = body.unused();
    let mut receiving = Receiving::begin(state).await.map_err(Problem::closing)?;
    while let Some(chunk) = body.next().await {
        unused.reset();
        let chunk = chunk.map_err(|error| not_read(error, state.config.max_upload_bytes))?;
        receiving.write(state, &chunk).await?;
    }
    receiving.end()
}
