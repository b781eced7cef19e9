//! What goes wrong, as `application/problem+json`.

pub(crate) mod codes;
mod document;
mod from;

use std::borrow::Cow;

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

pub(crate) use codes::Code;
pub(crate) use document::{problems, responses};
pub(crate) use from::{busy, disk_full, internal};

/// The media type of every problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// A refusal: its code, a sentence, and what the client can do about it.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: &'static Code,
    pub(crate) detail: Cow<'static, str>,
    retry_after_s: Option<u64>,
    close: bool,
    more: Vec<(HeaderName, HeaderValue)>,
}

/// How a handler answers.
pub(crate) type Answer<T> = Result<T, Problem>;

/// A problem as it is sent.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ProblemBody {
    /// Always `about:blank`: the code says it all.
    r#type: &'static str,
    /// Short, the same for every problem of this code.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// Stable; programs rely on it.
    code: &'static str,
    /// A plain sentence about this very problem.
    detail: String,
}

impl Problem {
    pub(crate) fn new(code: &'static Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), retry_after_s: None, close: false, more: Vec::new() }
    }

    /// Says when asking again makes sense.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// Ends the connection after the answer, because the rest of the request will not be read.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Adds a header to the answer.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.more.push((name, value));
        self
    }

    /// What a missing thing and somebody else's have in common.
    pub(crate) fn not_found() -> Self {
        Self::new(&codes::NOT_FOUND, "There is nothing here under this address.")
    }

    /// The status as a number of HTTP.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = ProblemBody {
            r#type: "about:blank",
            title: self.code.title,
            status: self.code.status,
            code: self.code.code,
            detail: self.detail.into_owned(),
        };
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        headers.extend(self.more);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_named_once_and_has_a_real_status() {
        let mut names: Vec<_> = codes::ALL.iter().map(|code| code.code).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), codes::ALL.len());
        for code in codes::ALL {
            assert!((400..600).contains(&code.status), "{code:?}");
        }
    }
}
