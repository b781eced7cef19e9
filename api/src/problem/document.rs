use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::{Code, PROBLEM_JSON};

/// Declares the problems of a call, for its documentation.
macro_rules! problems {
    ($name:ident: $($code:ident),+ $(,)?) => {
        pub(crate) struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                $crate::problem::responses(&[$(&$crate::problem::codes::$code),+])
            }
        }
    };
}
pub(crate) use problems;

/// One documented answer a status, which lists its codes.
pub(crate) fn responses(codes: &[&Code]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status).or_default().push(format!("`{}`: {}.", code.code, code.title));
    }
    by_status
        .into_iter()
        .map(|(status, lines)| {
            let content = ContentBuilder::new()
                .schema(Some(RefOr::Ref(Ref::from_schema_name("ProblemBody"))))
                .build();
            let response = ResponseBuilder::new()
                .description(lines.join(" "))
                .content(PROBLEM_JSON, content)
                .build();
            (status.to_string(), RefOr::T(response))
        })
        .collect()
}
