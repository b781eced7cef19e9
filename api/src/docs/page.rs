use minijinja::{Environment, context};
use utoipa::openapi::OpenApi;

/// The page is small enough to stand here: one file, no script, no other site.
const TEMPLATE: &str = include_str!("page.html");

/// The document as a page for people.
pub(super) fn render(document: &OpenApi) -> String {
    let mut environment = Environment::new();
    let page = environment
        .add_template("page.html", TEMPLATE)
        .and_then(|()| environment.get_template("page.html"))
        .and_then(|template| {
            template.render(context! { doc => minijinja::value::Serde(document) })
        });
    page.unwrap_or_else(|error| {
        tracing::error!(%error, "the page of the API's description cannot be made");
        "See <a href=\"/api/openapi.json\">/api/openapi.json</a>.".to_owned()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_shows_every_call_and_loads_nothing_from_elsewhere() {
        let document = crate::openapi_json();
        let document: utoipa::openapi::OpenApi = serde_json::from_str(&document).unwrap();
        // Templates escape more than HTML asks for.
        let page = super::render(&document).replace("&#x2f;", "/");
        for path in document.paths.paths.keys() {
            assert!(page.contains(path.as_str()), "{path}");
        }
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("http://"));
    }
}
