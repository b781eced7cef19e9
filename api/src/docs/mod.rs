//! The document that describes the API, and the page made from it.

mod page;

use axum::{
    Router,
    http::{HeaderValue, header},
    response::Html,
    routing::get,
};
use utoipa::PartialSchema;
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
    path::Operation,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::{
    problem::{PROBLEM_JSON, ProblemBody, codes, responses},
    state::AppState,
};

const DESCRIPTION: &str = "Upload videos, follow them, get the results; and, for operators, \
see to the fleet. Errors are `application/problem+json` with a stable `code`. \
Times are RFC 3339 with milliseconds.";

/// What the document says before any call is in it.
pub(crate) fn describe() -> OpenApi {
    let info = InfoBuilder::new()
        .title("reelfleet")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    let mut components = Components::new();
    components.add_security_scheme(
        "bearer",
        SecurityScheme::Http(
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build(),
        ),
    );
    components.add_security_scheme(
        "cookie",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            "reelfleet_session",
            "The console's session. Changes need a request from one of our own pages.",
        ))),
    );
    components.schemas.insert("ProblemBody".to_owned(), ProblemBody::schema());
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// Joins the parts, and adds what every call may answer.
pub(crate) fn finish(mut document: OpenApi, more: OpenApi) -> OpenApi {
    document.merge(more);
    let paths = std::mem::take(&mut document.paths.paths);
    for (path, mut item) in paths {
        for (operation, unsafe_method) in [
            (&mut item.get, false),
            (&mut item.post, true),
            (&mut item.put, true),
            (&mut item.delete, true),
        ] {
            if let Some(operation) = operation {
                add_shared(operation, &path, unsafe_method);
            }
        }
        // The router's notation of the rest of a path is none of OpenAPI's.
        document.paths.paths.insert(path.replace("{*", "{"), item);
    }
    document
}

fn add_shared(operation: &mut Operation, path: &str, unsafe_method: bool) {
    let mut shared = Vec::new();
    if operation.security.is_some() {
        shared.push(&codes::NOT_SIGNED_IN);
        if unsafe_method {
            shared.push(&codes::CROSS_SITE);
        }
    }
    if path.starts_with("/api/admin/") {
        shared.push(&codes::OPERATORS_ONLY);
    }
    for (status, response) in responses(&shared) {
        operation.responses.responses.entry(status).or_insert(response);
    }
    let content = ContentBuilder::new()
        .schema(Some(RefOr::Ref(Ref::from_schema_name("ProblemBody"))))
        .build();
    let other = ResponseBuilder::new()
        .description(
            "Any other problem, such as `internal` (500), `busy` (503) or `disk_full` (507).",
        )
        .content(PROBLEM_JSON, content)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(other));
}

/// The document as text.
pub(crate) fn print(document: &OpenApi) -> String {
    // Strings, numbers and maps with string keys always are JSON.
    document.to_pretty_json().unwrap_or_default()
}

/// `/api/openapi.json` and `/docs`.
pub(crate) fn router(document: &OpenApi) -> Router<AppState> {
    let (json, page) = (print(document), page::render(document));
    let as_json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let styled = [(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    )];
    Router::new()
        .route("/api/openapi.json", get(async move || (as_json, json)))
        .route("/docs", get(async move || (styled, Html(page))))
}

#[cfg(test)]
mod tests {
    use crate::openapi_json;

    #[test]
    fn every_call_is_described_with_its_refusals() {
        let document: serde_json::Value = serde_json::from_str(&openapi_json()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.len() >= 20, "{}", paths.len());
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.contains_key("default"), "{method} {path}");
                assert!(operation["summary"].is_string(), "{method} {path}");
                let secured = operation["security"].is_array();
                let of_operators = path.starts_with("/api/admin/");
                assert_eq!(
                    secured,
                    responses.contains_key("401") && !path.ends_with("login"),
                    "{method} {path}"
                );
                assert!(!of_operators || responses.contains_key("403"), "{method} {path}");
            }
        }
    }

    #[test]
    fn every_schema_that_is_named_is_there() {
        let text = openapi_json();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for named in text.split("#/components/schemas/").skip(1) {
            let name = named.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}
