use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Uri, header, request::Parts},
};

use crate::{
    problem::{Problem, codes},
    state::AppState,
};

/// Proof that a request was made by one of our own pages, for what a cookie alone would allow.
pub(crate) struct OwnOrigin;

impl FromRequestParts<AppState> for OwnOrigin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

impl OwnOrigin {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if is_own(headers) {
            return Ok(Self);
        }
        Err(Problem::new(
            &codes::CROSS_SITE,
            "Only this site's own pages may do this with the console's cookie.",
        ))
    }
}

/// Browsers say themselves where a request came from; older ones name the origin only.
fn is_own(headers: &HeaderMap) -> bool {
    let text =
        |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let (Some(origin), Some(host)) = (text(header::ORIGIN.as_str()), text(header::HOST.as_str()))
    else {
        return false;
    };
    let origin = origin.parse::<Uri>().ok();
    origin
        .and_then(|origin| origin.authority().cloned())
        .is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_our_own_origin_passes() {
        for (headers, own) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site")], false),
            (
                &[("sec-fetch-site", "cross-site"), ("origin", "http://us:1"), ("host", "us:1")],
                false,
            ),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "http://us:1"), ("host", "us:1")], true),
            (&[("origin", "http://us:2"), ("host", "us:1")], false),
            (&[("origin", "null"), ("host", "us:1")], false),
            (&[("origin", "http://us:1@them"), ("host", "us:1")], false),
            (&[("host", "us:1")], false),
            (&[], false),
        ] {
            let map = headers
                .iter()
                .map(|(name, value)| {
                    (HeaderName::from_static(name), HeaderValue::from_static(value))
                })
                .collect();
            assert_eq!(is_own(&map), own, "{headers:?}");
        }
    }
}
