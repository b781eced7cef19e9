use axum::{
    Extension, Form,
    extract::{Path, State, rejection::FormRejection},
    http::{Method, StatusCode, header},
    response::IntoResponse,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    pages::Pages,
    visitor::{FINE, Page, to},
};
use crate::{
    auth::{
        ClientAddress, OwnOrigin, check_open, follow_link, set_session, sign_in, sign_out, sign_up,
    },
    config::Signup,
    http::Query,
    problem::{Answer, Problem, codes},
    state::AppState,
};

/// What the sign-in and the sign-up form hold.
#[derive(Deserialize)]
pub(super) struct Credentials {
    email: String,
    password: SecretString,
    #[serde(default)]
    next: String,
}

/// Where to go after the door.
#[derive(Deserialize)]
pub(super) struct Way {
    #[serde(default)]
    next: String,
}

#[derive(Serialize)]
struct Door<'a> {
    new: bool,
    /// People can make accounts here.
    open: bool,
    next: &'a str,
    email: &'a str,
    problem: Option<&'a str>,
}

/// The form that signs in.
pub(super) async fn sign_in_page(
    State(state): State<AppState>,
    Extension(pages): Extension<Pages>,
    way: Answer<Query<Way>>,
) -> Page {
    door(&state, &pages, FINE, false, &way?.0.next, "", None)
}

/// The form that makes an account.
pub(super) async fn sign_up_page(
    State(state): State<AppState>,
    Extension(pages): Extension<Pages>,
    way: Answer<Query<Way>>,
) -> Page {
    check_open(&state)?;
    door(&state, &pages, FINE, true, &way?.0.next, "", None)
}

/// Signs in by address and password.
pub(super) async fn sign_in_form(
    State(state): State<AppState>,
    Extension(pages): Extension<Pages>,
    ClientAddress(address): ClientAddress,
    origin: Answer<OwnOrigin>,
    form: Result<Form<Credentials>, FormRejection>,
) -> Page {
    origin?;
    let Form(form) = form.map_err(malformed)?;
    match sign_in(&state, address, &form.email, form.password).await {
        Ok(user) => enter(&state, &user, &form.next),
        Err(problem) => refused(&state, &pages, false, &form.next, &form.email, problem),
    }
}

/// Makes an account and signs in.
pub(super) async fn sign_up_form(
    State(state): State<AppState>,
    Extension(pages): Extension<Pages>,
    ClientAddress(address): ClientAddress,
    origin: Answer<OwnOrigin>,
    form: Result<Form<Credentials>, FormRejection>,
) -> Page {
    origin?;
    check_open(&state)?;
    let Form(form) = form.map_err(malformed)?;
    match sign_up(&state, address, &form.email, form.password).await {
        Ok(user) => enter(&state, &user, &form.next),
        Err(problem) => refused(&state, &pages, true, &form.next, &form.email, problem),
    }
}

/// Begins a session by a link that works once.
pub(super) async fn link(state: State<AppState>, method: Method, token: Path<String>) -> Page {
    // Programs that only look where a link leads must not use it up.
    if method == Method::HEAD {
        return Ok(FINE.into_response());
    }
    Ok(follow_link(state, token).await?)
}

/// Ends the session.
pub(super) async fn leave(state: State<AppState>, origin: Answer<OwnOrigin>) -> Page {
    Ok(sign_out(state, origin?).await?)
}

/// A form that none of our pages sends. What it held may be a password, so nothing of it is told.
fn malformed(_: FormRejection) -> Problem {
    Problem::new(&codes::BAD_QUERY, "The form is not filled in.")
}

fn enter(state: &AppState, user: &reelfleet_db::User, next: &str) -> Page {
    let mut response = to(own_path(next));
    response.headers_mut().insert(header::SET_COOKIE, set_session(state, user)?);
    Ok(response)
}

/// What people can mend is said above the form, with what they typed still there.
fn refused(
    state: &AppState,
    pages: &Pages,
    new: bool,
    next: &str,
    email: &str,
    problem: Problem,
) -> Page {
    if problem.code.status >= 500 {
        return Err(problem.into());
    }
    door(state, pages, problem.status(), new, next, email, Some(&problem.detail))
}

fn door(
    state: &AppState,
    pages: &Pages,
    status: StatusCode,
    new: bool,
    next: &str,
    email: &str,
    problem: Option<&str>,
) -> Page {
    let open = state.config.signup == Signup::Open;
    let form = Door { new, open, next: own_path(next), email, problem };
    Ok(pages.show(status, "sign-in.html", None, "", form)?)
}

/// A path of this site. Browsers take `//host` and `/\host` for other sites.
fn own_path(next: &str) -> &str {
    let own = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(|c: char| c == '\\' || c.is_control())
        && next.is_ascii();
    if own { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for (next, path) in [
            ("/videos/1?a=b", "/videos/1?a=b"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("https://evil.example", "/"),
            ("javascript:alert(1)", "/"),
        ] {
            assert_eq!(own_path(next), path, "{next}");
        }
    }
}
