use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use reelfleet_db::User;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    ClientAddress, SIGN_IN_LINK_LIVES, SignedIn, link::new_link, set_password, set_session,
    sign_in, sign_up,
};
use crate::{
    http::Body,
    problem::{Answer, problems},
    state::AppState,
};

/// What opens an account.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct Credentials {
    /// E-mail address; upper and lower case are one.
    #[schema(example = "ann@example.org")]
    email: String,
    /// 10 to 128 characters.
    #[schema(value_type = String, format = "password", min_length = 10, max_length = 128)]
    password: SecretString,
}

/// An account.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct UserBody {
    /// Id.
    id: String,
    /// E-mail address.
    email: String,
    /// `user` or `operator`.
    role: &'static str,
    /// When the account was made.
    #[schema(format = "date-time")]
    created_at: String,
}

impl From<&User> for UserBody {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.clone(),
            role: user.role.as_str(),
            created_at: user.created_at.to_string(),
        }
    }
}

/// A session token.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TokenBody {
    /// To be sent as `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
}

/// A password to be.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct NewPassword {
    /// 10 to 128 characters.
    #[schema(value_type = String, format = "password", min_length = 10, max_length = 128)]
    password: SecretString,
    /// The password so far. Required unless the account has none.
    #[schema(value_type = Option<String>, format = "password")]
    current: Option<SecretString>,
}

/// A link that signs in once.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct LinkBody {
    /// To be opened in a browser, below the fleet's address.
    #[schema(example = "/sign-in/3f1c…")]
    path: String,
    /// Seconds.
    expires_in: u64,
}

problems!(SignUpProblems: BAD_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, SIGNUP_CLOSED, EMAIL_TAKEN, WEAK_PASSWORD, BAD_EMAIL, TOO_MANY_LOGINS);
problems!(LogInProblems: BAD_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, WRONG_CREDENTIALS, TOO_MANY_LOGINS);
problems!(LinkProblems: TOO_MANY_LOGINS);
problems!(PasswordProblems: BAD_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, NOT_SIGNED_IN, WRONG_CREDENTIALS, WEAK_PASSWORD, TOO_MANY_LOGINS);

/// Makes an account.
#[utoipa::path(post, path = "/api/auth/signup", tag = "accounts", request_body = Credentials,
    responses((status = 201, description = "The account.", body = UserBody), SignUpProblems))]
pub(crate) async fn sign_up_call(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    Body(credentials): Body<Credentials>,
) -> Answer<(StatusCode, Json<UserBody>)> {
    let user = sign_up(&state, address, &credentials.email, credentials.password).await?;
    Ok((StatusCode::CREATED, Json((&user).into())))
}

/// Begins a session.
#[utoipa::path(post, path = "/api/auth/login", tag = "accounts", request_body = Credentials,
    responses((status = 200, description = "A session token.", body = TokenBody), LogInProblems))]
pub(crate) async fn log_in(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    Body(credentials): Body<Credentials>,
) -> Answer<Json<TokenBody>> {
    let user = sign_in(&state, address, &credentials.email, credentials.password).await?;
    Ok(Json(fresh_token(&state, &user)))
}

fn fresh_token(state: &AppState, user: &User) -> TokenBody {
    let lifetime = state.config.token_lifetime;
    TokenBody {
        access_token: state.tokens.issue(user, &state.clock, lifetime),
        token_type: "Bearer",
        expires_in: lifetime.as_secs(),
    }
}

/// Your account.
#[utoipa::path(get, path = "/api/auth/me", tag = "accounts", security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Your account.", body = UserBody)))]
pub(crate) async fn me(signed_in: SignedIn) -> Json<UserBody> {
    Json((&signed_in.user).into())
}

/// Makes a link that signs you in once.
#[utoipa::path(post, path = "/api/auth/link", tag = "accounts", security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "The link.", body = LinkBody), LinkProblems))]
pub(crate) async fn make_link(
    State(state): State<AppState>,
    signed_in: SignedIn,
) -> Answer<(StatusCode, Json<LinkBody>)> {
    let path = new_link(&state, &signed_in.user).await?;
    let expires_in = SIGN_IN_LINK_LIVES.as_secs();
    Ok((StatusCode::CREATED, Json(LinkBody { path, expires_in })))
}

/// Sets your password, which ends every session and sign-in link so far; this one goes on with a fresh token.
#[utoipa::path(put, path = "/api/auth/password", tag = "accounts", security(("bearer" = []), ("cookie" = [])),
    request_body = NewPassword,
    responses((status = 200, description = "The password is set; a session token of yours.", body = TokenBody), PasswordProblems))]
pub(crate) async fn change_password(
    State(state): State<AppState>,
    signed_in: SignedIn,
    ClientAddress(address): ClientAddress,
    Body(new): Body<NewPassword>,
) -> Answer<Response> {
    let user = set_password(&state, address, &signed_in.user, new.password, new.current).await?;
    let mut answer = Json(fresh_token(&state, &user)).into_response();
    if signed_in.by_cookie {
        answer.headers_mut().insert(header::SET_COOKIE, set_session(&state, &user)?);
    }
    Ok(answer)
}
