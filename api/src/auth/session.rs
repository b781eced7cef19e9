use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use reelfleet_db::{Role, User};
use reelfleet_runtime::Timestamp;

use super::OwnOrigin;
use crate::{
    problem::{Answer, Problem, codes},
    state::AppState,
};

/// The console's cookie.
const COOKIE: &str = "reelfleet_session";

/// Who asks, with their account as it is now.
pub(crate) struct SignedIn {
    pub(crate) user: User,
    /// When the token ends.
    pub(crate) expires_at: Timestamp,
    /// The token came in the console's cookie.
    pub(crate) by_cookie: bool,
}

/// An operator who asks.
pub(crate) struct Operator(pub(crate) User);

impl SignedIn {
    pub(crate) fn is_operator(&self) -> bool {
        self.user.role == Role::Operator
    }
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Answer<Self> {
        let (token, by_cookie) = token_of(&parts.headers).ok_or_else(not_signed_in)?;
        let session = state.tokens.check(&token, state.clock.now()).ok_or_else(not_signed_in)?;
        // A browser sends the cookie along with whatever another site makes it
        // ask for; a bearer token it never sends by itself.
        if by_cookie && !parts.method.is_safe() {
            OwnOrigin::of(&parts.headers)?;
        }
        // The account is read each time: one that is gone is gone at once, and so are
        // the tokens from before its last change of password.
        let user = state.db.user(session.user).await?;
        let user = user.filter(|user| user.token_version == session.version);
        let user = user.ok_or_else(not_signed_in)?;
        Ok(Self { user, expires_at: session.expires_at, by_cookie })
    }
}

/// Nobody, rather than a refusal, where there is no good token: for pages that then ask to sign in.
impl OptionalFromRequestParts<AppState> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Answer<Option<Self>> {
        match <Self as FromRequestParts<AppState>>::from_request_parts(parts, state).await {
            Ok(signed_in) => Ok(Some(signed_in)),
            Err(problem) if *problem.code == codes::NOT_SIGNED_IN => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

impl FromRequestParts<AppState> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Answer<Self> {
        let signed_in =
            <SignedIn as FromRequestParts<AppState>>::from_request_parts(parts, state).await?;
        if signed_in.is_operator() {
            Ok(Self(signed_in.user))
        } else {
            Err(Problem::new(&codes::OPERATORS_ONLY, "Your account may not see the fleet."))
        }
    }
}

/// The token of a request, and whether it came by cookie. A bearer token counts even beside a cookie.
fn token_of(headers: &HeaderMap) -> Option<(String, bool)> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| (token.trim().to_owned(), false));
    }
    let cookie = CookieJar::from_headers(headers).get(COOKIE)?.value().to_owned();
    Some((cookie, true))
}

pub(crate) fn not_signed_in() -> Problem {
    Problem::new(&codes::NOT_SIGNED_IN, "This needs a valid session token. Sign in first.")
}

/// The `Set-Cookie` value that begins a session of the console.
pub(crate) fn set_session(state: &AppState, user: &User) -> Result<HeaderValue, Problem> {
    let lifetime = state.config.token_lifetime;
    cookie(state, state.tokens.issue(user, &state.clock, lifetime), lifetime)
}

/// The `Set-Cookie` value that ends it.
pub(crate) fn clear_session(state: &AppState) -> Result<HeaderValue, Problem> {
    cookie(state, String::new(), Duration::ZERO)
}

fn cookie(state: &AppState, value: String, lives: Duration) -> Result<HeaderValue, Problem> {
    let mut cookie = Cookie::new(COOKIE, value);
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Strict);
    cookie.set_path("/");
    cookie.set_secure(state.config.secure_cookies);
    let seconds = lives.as_secs();
    HeaderValue::from_str(&format!("{cookie}; Max-Age={seconds}"))
        .map_err(|_not_ascii| crate::problem::internal())
}

/// Infallible rejections never occur; this gives them a type where one is needed.
impl From<Infallible> for Problem {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
