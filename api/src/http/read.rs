use std::str::FromStr;

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{header, request::Parts},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::{
    problem::{Answer, Problem, codes},
    state::AppState,
};

/// The longest JSON body.
const LONGEST_JSON: usize = 64 * 1024;

/// A JSON body of at most 64 KiB.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &AppState) -> Answer<Self> {
        // Other sites' forms cannot send this type without asking first.
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(Problem::new(
                &codes::UNSUPPORTED_MEDIA_TYPE,
                "Send JSON as `application/json`.",
            )
            .closing());
        }
        let bytes = match Limited::new(request.into_body(), LONGEST_JSON).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(
                    Problem::new(&codes::TOO_LARGE, "A JSON body has at most 64 KiB.").closing()
                );
            }
            Err(_gone) => {
                return Err(Problem::new(&codes::UNFINISHED_BODY, "The body ended early."));
            }
        };
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            // Serde quotes values of the body in some messages; these may be
            // passwords, so only the kind and the place are told.
            let what = match error.classify() {
                serde_json::error::Category::Data => "The JSON does not have the expected fields",
                _ => "This is not JSON",
            };
            let (line, column) = (error.line(), error.column());
            Problem::new(&codes::BAD_JSON, format!("{what} (line {line}, column {column})."))
        })
    }
}

/// The query's parameters.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Answer<Self> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| bad_query(rejection.body_text()))
    }
}

/// The id that a path names. What is no id names nothing.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr + Send> FromRequestParts<AppState> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Answer<Self> {
        let Path(segments) = Path::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|_rejection| Problem::not_found())?;
        segments
            .iter()
            .find(|(name, _)| name == "id")
            .and_then(|(_, value)| value.parse().ok())
            .map(Self)
            .ok_or_else(Problem::not_found)
    }
}

/// How many rows a page has.
pub(crate) fn page_limit(asked: Option<u32>) -> Answer<u32> {
    match asked {
        None => Ok(20),
        Some(limit @ 1..=100) => Ok(limit),
        Some(_) => Err(bad_query("`limit` is 1 to 100")),
    }
}

/// A wrong query parameter.
pub(crate) fn bad_query(what: impl std::fmt::Display) -> Problem {
    Problem::new(&codes::BAD_QUERY, format!("{what}."))
}
