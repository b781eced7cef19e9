use std::sync::Arc;

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use minijinja::{Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

use super::filters;
use crate::problem::{Answer, internal};

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../templates/", $name)))),*]
    };
}

/// Every template. The name ends in `.html`, which is what makes the engine escape all values.
const TEMPLATES: &[(&str, &str)] = templates! {
    "again.html", "job-row.html", "job.html", "jobs.html", "layout.html", "operate.html",
    "parts.html", "problem.html", "sign-in.html", "video-row.html", "video.html", "videos.html",
};

/// The templates, ready to be filled in.
#[derive(Clone)]
pub(crate) struct Pages(Arc<Environment<'static>>);

/// Who looks and where, for the bar on top.
#[derive(Serialize)]
struct Frame<'a, T> {
    user: Option<super::view::UserView<'a>>,
    page: &'a str,
    #[serde(flatten)]
    rest: T,
}

impl Pages {
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        // It only keeps the pages free of empty lines.
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            environment.set_syntax(syntax);
        }
        filters::add(&mut environment);
        for (name, source) in TEMPLATES {
            // Unwrap safety: the templates are part of the program, and a test compiles each.
            environment.add_template(name, source).expect("an embedded template is valid");
        }
        Self(Arc::new(environment))
    }

    /// A page for `user`, or for anybody. `page` is its place in the bar on top.
    pub(super) fn show(
        &self,
        status: StatusCode,
        template: &str,
        user: Option<&reelfleet_db::User>,
        page: &str,
        rest: impl Serialize,
    ) -> Answer<Response> {
        let frame = Frame { user: user.map(Into::into), page, rest };
        let html = self.0.get_template(template).and_then(|found| found.render(Serde(frame)));
        match html {
            Ok(html) => Ok((status, Html(html)).into_response()),
            Err(error) => {
                tracing::error!(%error, template, "a page could not be made");
                Err(internal())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_compiles_and_has_no_inline_script_or_style() {
        drop(Pages::new());
        for (name, source) in TEMPLATES {
            assert!(name.ends_with(".html"), "{name} would not be escaped");
            for banned in [" style=", "<style", " onclick=", "<script>", "|safe", "javascript:"] {
                assert!(!source.contains(banned), "{name}: {banned}");
            }
        }
    }
}
