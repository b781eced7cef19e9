use axum::{
    Extension,
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use reelfleet_db::User;
use serde::Serialize;

use super::{filters::in_query, pages::Pages};
use crate::{
    auth::SignedIn,
    problem::{Problem, codes},
    state::AppState,
};

/// What a page may reach on and off this site: ourselves only, and no inline script or style.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// The policy of every page.
#[derive(Clone)]
pub(super) struct Policy(HeaderValue);

impl Policy {
    /// Videos and pictures may also come from where the storage serves them itself.
    pub(super) fn with(media: Option<&str>) -> Self {
        let plain = HeaderValue::from_static(POLICY);
        let wider = media
            .map(|origin| format!("{POLICY}; media-src 'self' {origin}; img-src 'self' {origin}"));
        Self(wider.and_then(|policy| policy.try_into().ok()).unwrap_or(plain))
    }
}

/// Somebody who is signed in and looks at a page.
pub(super) struct Visitor {
    pub(super) user: User,
    pub(super) pages: Pages,
}

/// A visitor who may see the fleet.
pub(super) struct OperatorVisitor(pub(super) Visitor);

/// Why there is no page. It becomes one in [`dress`].
pub(super) enum Refused {
    /// Nobody is signed in: to the door, and from there back to this path.
    SignIn { back: String },
    /// Another site's link led here, so the browser kept the session to itself.
    AskAgain,
    /// Something else.
    Problem(Problem),
}

/// How a page's handler answers.
pub(super) type Page = Result<Response, Refused>;

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<reelfleet_db::Error> for Refused {
    fn from(error: reelfleet_db::Error) -> Self {
        Self::Problem(error.into())
    }
}

impl From<reelfleet_queue::Error> for Refused {
    fn from(error: reelfleet_queue::Error) -> Self {
        Self::Problem(error.into())
    }
}

/// Travels from a refusal to [`dress`], which has the templates.
#[derive(Clone)]
enum Undressed {
    Again,
    Problem { title: &'static str, detail: String, sign_in: bool },
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn { back } => {
                let next = in_query(&back);
                let to = if next == "/" {
                    "/sign-in".to_owned()
                } else {
                    format!("/sign-in?next={next}")
                };
                Redirect::to(&to).into_response()
            }
            Self::AskAgain => Extension(Undressed::Again).into_response(),
            Self::Problem(problem) => {
                let undressed = Undressed::Problem {
                    title: problem.code.title,
                    detail: problem.detail.clone().into_owned(),
                    sign_in: matches!(problem.code.status, 401 | 410),
                };
                (Extension(undressed), problem).into_response()
            }
        }
    }
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refused> {
        let pages = parts.extensions.get::<Pages>().cloned();
        let pages = pages.ok_or_else(crate::problem::internal)?;
        match <SignedIn as FromRequestParts<AppState>>::from_request_parts(parts, state).await {
            Ok(signed_in) => Ok(Self { user: signed_in.user, pages }),
            Err(problem) if *problem.code == codes::NOT_SIGNED_IN => Err(refuse(parts)),
            Err(problem) => Err(problem.into()),
        }
    }
}

impl FromRequestParts<AppState> for OperatorVisitor {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refused> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        if visitor.user.role == reelfleet_db::Role::Operator {
            return Ok(Self(visitor));
        }
        Err(Problem::new(
            &codes::OPERATORS_ONLY,
            "This page shows the fleet, and your account may not see it.",
        )
        .into())
    }
}

fn refuse(parts: &Parts) -> Refused {
    let looks = parts.method == Method::GET;
    if looks && led_here_by_another_site(&parts.headers) {
        return Refused::AskAgain;
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    Refused::SignIn { back: if looks { path.to_owned() } else { "/".to_owned() } }
}

/// A browser sends a strict cookie only if one of our own pages leads here. A link in a mail
/// is another site's: the visitor would look signed out, also right after a sign-in link.
fn led_here_by_another_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site")
}

/// Turns refusals into pages, and gives every page its policy.
pub(super) async fn dress(
    State((pages, policy)): State<(Pages, Policy)>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if let Some(undressed) = response.extensions_mut().remove::<Undressed>() {
        response = page_of(&pages, undressed, response);
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.0);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // With the stricter `no-referrer` browsers send a form with the origin `null`,
    // and then nothing tells our own forms from another site's.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

#[derive(Serialize)]
struct ProblemPage<'a> {
    title: &'a str,
    detail: &'a str,
    href: &'a str,
    link: &'a str,
}

fn page_of(pages: &Pages, undressed: Undressed, bare: Response) -> Response {
    let (template, rest) = match &undressed {
        Undressed::Again => ("again.html", None),
        Undressed::Problem { title, detail, sign_in } => {
            let (href, link) =
                if *sign_in { ("/sign-in", "Sign in") } else { ("/", "To your videos") };
            ("problem.html", Some(ProblemPage { title, detail, href, link }))
        }
    };
    match pages.show(bare.status(), template, None, "", rest) {
        Ok(mut page) => {
            // `Retry-After` and the like stay; what described the bare body does not.
            let own = [header::CONTENT_TYPE, header::CONTENT_LENGTH];
            for (name, value) in bare.headers().iter().filter(|(name, _)| !own.contains(name)) {
                page.headers_mut().append(name.clone(), value.clone());
            }
            page
        }
        Err(_logged) => bare,
    }
}

/// Back to a page of ours after a form.
pub(super) fn to(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// A page for a status that is no refusal.
pub(super) const FINE: StatusCode = StatusCode::OK;
