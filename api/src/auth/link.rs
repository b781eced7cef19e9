use std::time::Duration;

use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rand::RngExt;
use reelfleet_db::User;
use sha2::{Digest, Sha256};

use super::{OwnOrigin, clear_session, not_signed_in, set_session};
use crate::{
    problem::{Answer, Problem, codes},
    state::AppState,
};

/// How long a link signs in, if it is not used before.
pub const SIGN_IN_LINK_LIVES: Duration = Duration::from_secs(60 * 60);

/// A fresh token for a link that signs in once, and the hash under which the records know it.
#[must_use]
pub fn sign_in_link() -> (String, String) {
    let random: [u8; 32] = rand::rng().random();
    let token = hex::encode(random);
    let hash = hash(&token);
    (token, hash)
}

fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// The path of a new link for an account.
pub(crate) async fn new_link(state: &AppState, user: &User) -> Answer<String> {
    state.login_limits.count_link(user.id, state.clock.now())?;
    let (token, hash) = sign_in_link();
    if !state.db.create_sign_in_link(&hash, user, SIGN_IN_LINK_LIVES).await? {
        // Another password has ended the session since it was looked at.
        return Err(not_signed_in());
    }
    tracing::info!(user = %user.id, "a sign-in link was made");
    Ok(format!("/sign-in/{token}"))
}

/// Begins a session of the console by a link that works once.
pub(crate) async fn follow_link(
    State(state): State<AppState>,
    Path(token): Path<String>,
) -> Answer<Response> {
    let Some(user) = state.db.use_sign_in_link(&hash(&token)).await? else {
        return Err(Problem::new(
            &codes::LINK_USED,
            "A sign-in link works once, and within an hour. A new one comes from \
             `reelfleet sign-in` on the machine of the fleet, or from whoever runs it. An \
             account with a password can sign in with that, too.",
        ));
    };
    tracing::info!(user = %user.id, "signed in by link");
    Ok(to_start(set_session(&state, &user)?))
}

/// Ends the session of the console.
pub(crate) async fn sign_out(State(state): State<AppState>, _: OwnOrigin) -> Answer<Response> {
    Ok(to_start(clear_session(&state)?))
}

fn to_start(cookie: HeaderValue) -> Response {
    let to = [(header::LOCATION, HeaderValue::from_static("/")), (header::SET_COOKIE, cookie)];
    (StatusCode::SEE_OTHER, to).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_has_its_own_token_and_the_hash_of_it() {
        let (token, hashed) = sign_in_link();
        assert_ne!(token, sign_in_link().0);
        assert_eq!(hash(&token), hashed);
        assert_eq!(token.len(), 64);
    }
}
