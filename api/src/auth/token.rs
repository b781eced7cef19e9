use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use reelfleet_db::User;
use reelfleet_job::UserId;
use reelfleet_runtime::{Clock, Timestamp};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::config::ApiConfig;

const ISSUER: &str = "reelfleet";
const AUDIENCE: &str = "reelfleet-api";

/// A real token has some 300 bytes; nothing longer is even looked at.
const LONGEST: usize = 2048;

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    role: String,
    iss: String,
    aud: String,
    exp: i64,
    iat: i64,
    /// The account's token version when it was issued.
    ver: u64,
}

/// Signs session tokens and checks them.
pub(crate) struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
}

/// What a good token says. The role in it is for clients; ours is read from the records.
pub(crate) struct Session {
    pub(crate) user: UserId,
    pub(crate) expires_at: Timestamp,
    /// Good only while the account is still at this version.
    pub(crate) version: u64,
}

impl Tokens {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        let secret = config.jwt_secret.expose_secret().as_bytes();
        // The algorithm is fixed here and never taken from a header.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.leeway = 0;
        // `exp` is required above and compared with our clock below; the
        // library would read the machine's.
        validation.validate_exp = false;
        Self {
            signing: EncodingKey::from_secret(secret),
            checking: DecodingKey::from_secret(secret),
            validation,
        }
    }

    /// A token for `user`, good from now on for `lifetime`.
    pub(crate) fn issue(&self, user: &User, clock: &Clock, lifetime: Duration) -> String {
        let now = clock.now();
        let claims = Claims {
            sub: user.id,
            role: user.role.as_str().to_owned(),
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            exp: now.plus(lifetime).as_seconds(),
            iat: now.as_seconds(),
            ver: user.token_version,
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing).unwrap_or_else(|error| {
            // Encoding plain strings and numbers with a key in memory cannot
            // fail; if it ever does, an empty token signs nobody in.
            tracing::error!(%error, "a token could not be signed");
            String::new()
        })
    }

    /// What a token says, if it is one of ours and still good.
    pub(crate) fn check(&self, token: &str, now: Timestamp) -> Option<Session> {
        if token.len() > LONGEST {
            return None;
        }
        let claims = decode::<Claims>(token, &self.checking, &self.validation).ok()?.claims;
        let expires_at = Timestamp::from_millis(claims.exp.checked_mul(1000)?);
        let session = Session { user: claims.sub, expires_at, version: claims.ver };
        (now < expires_at).then_some(session)
    }
}

/// A session token for `user`, for programs that start beside the API.
#[must_use]
pub fn issue_token(config: &ApiConfig, user: &User, clock: &Clock, lifetime: Duration) -> String {
    Tokens::new(config).issue(user, clock, lifetime)
}
