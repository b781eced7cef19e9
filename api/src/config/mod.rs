use std::{net::SocketAddr, time::Duration};

use reelfleet_runtime::{Var, Vars};
use secrecy::{ExposeSecret, SecretString};

mod secret;
mod signup;

pub use signup::Signup;

/// Key that signs session tokens.
pub const JWT_SECRET: Var =
    Var::new("JWT_SECRET", "", "Key that signs session tokens, at least 32 random bytes.");
/// Where the API listens.
pub const LISTEN_ADDR: Var =
    Var::new("LISTEN_ADDR", "127.0.0.1:8080", "Address and port that the API listens on.");
const MAX_UPLOAD_BYTES: Var =
    Var::new("MAX_UPLOAD_BYTES", "10737418240", "Size of the largest accepted upload, bytes.");
const MAX_UPLOADS_AT_ONCE: Var =
    Var::new("MAX_UPLOADS_AT_ONCE", "64", "Uploads that one process receives at a time.");
const QUOTA_UNFINISHED_VIDEOS: Var = Var::new(
    "QUOTA_UNFINISHED_VIDEOS",
    "100",
    "Videos that one user may have waiting and running at a time.",
);
const MAX_ATTEMPTS: Var =
    Var::new("MAX_ATTEMPTS", "5", "Charged tries of a job before it is dead.");
const SIGNUP: Var = Var::new(
    "SIGNUP",
    "open",
    "Whether people make their own accounts: `open`, or `closed` when only `reelfleet account` makes them.",
);
const TOKEN_LIFETIME_SECONDS: Var =
    Var::new("TOKEN_LIFETIME_SECONDS", "43200", "How long a session token is good, seconds.");
const LOGIN_FAILURES_PER_ACCOUNT: Var = Var::new(
    "LOGIN_FAILURES_PER_ACCOUNT",
    "10",
    "Failed sign-ins of one account before more are refused for the rest of the minute.",
);
const LOGINS_PER_ADDRESS: Var = Var::new(
    "LOGINS_PER_ADDRESS",
    "60",
    "Sign-ins and sign-ups of one network address a minute before more are refused.",
);
const MIN_FREE_DISK_BYTES: Var = Var::new(
    "MIN_FREE_DISK_BYTES",
    "536870912",
    "With less free disk than this no upload is accepted, bytes.",
);
const UPLOAD_STALL_SECONDS: Var = Var::new(
    "UPLOAD_STALL_SECONDS",
    "30",
    "An upload that waits this long for its next 32 KiB is dropped, seconds.",
);
const DEFAULT_PROFILE: Var =
    Var::new("DEFAULT_PROFILE", "web", "Profile of an upload that names none.");
const SECURE_COOKIES: Var = Var::new(
    "SECURE_COOKIES",
    "false",
    "`true` marks the console's cookie for HTTPS only; set it behind TLS.",
);
const TRUSTED_PROXIES: Var = Var::new(
    "TRUSTED_PROXIES",
    "0",
    "Proxies in front that append to `X-Forwarded-For`; 0 ignores the header.",
);
const MAX_CONNECTIONS: Var =
    Var::new("MAX_CONNECTIONS", "1024", "Connections that one process holds at a time.");
const MAX_STREAMS_PER_USER: Var =
    Var::new("MAX_STREAMS_PER_USER", "32", "Event streams that one user may hold open at a time.");
const HEADER_TIMEOUT_SECONDS: Var = Var::new(
    "HEADER_TIMEOUT_SECONDS",
    "15",
    "How long a client may take for a request's head, and lie idle between requests, seconds. Behind a load balancer: more than its own idle timeout.",
);
const DRAIN_UPLOADS_SECONDS: Var = Var::new(
    "DRAIN_UPLOADS_SECONDS",
    "30",
    "How long uploads under way may still take after the drain began, seconds.",
);

/// A profile that uploads may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileInfo {
    /// Name.
    pub name: String,
    /// One sentence for people.
    pub description: String,
}

/// Everything the API can be told.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where `serve` should listen; the caller binds it.
    pub listen: SocketAddr,
    /// Key that signs session tokens.
    pub jwt_secret: SecretString,
    /// Size of the largest accepted upload.
    pub max_upload_bytes: u64,
    /// Uploads received at a time.
    pub max_uploads_at_once: u32,
    /// Unfinished videos a user.
    pub quota_unfinished_videos: u64,
    /// Charged tries of a job before it is dead.
    pub max_attempts: u32,
    /// Whether people make their own accounts.
    pub signup: Signup,
    /// How long a session token is good.
    pub token_lifetime: Duration,
    /// Failed sign-ins of one account a window.
    pub login_failures_per_account: u32,
    /// Sign-ins of one network address a window.
    pub logins_per_address: u32,
    /// The window of the two limits above.
    pub login_window: Duration,
    /// Passwords hashed at a time; each takes 19 MiB.
    pub hashes_at_once: u32,
    /// Passwords that may wait to be hashed.
    pub hashes_waiting: u32,
    /// With less free disk no upload is accepted.
    pub min_free_disk_bytes: u64,
    /// How long an upload may wait for its next [`ApiConfig::upload_stall_bytes`].
    pub upload_stall: Duration,
    /// See [`ApiConfig::upload_stall`].
    pub upload_stall_bytes: u64,
    /// What uploads may name as their profile.
    pub profiles: Vec<ProfileInfo>,
    /// The profile of an upload that names none.
    pub default_profile: String,
    /// Marks the console's cookie for HTTPS only.
    pub secure_cookies: bool,
    /// Proxies in front that append to `X-Forwarded-For`.
    pub trusted_proxies: u32,
    /// Connections held at a time.
    pub max_connections: u32,
    /// Event streams a user.
    pub max_streams_per_user: u32,
    /// How long a client may take for a request's head, and lie idle between requests.
    pub header_timeout: Duration,
    /// How long a request that is no upload may take until its answer begins.
    pub request_timeout: Duration,
    /// How long a client may leave what we send unread.
    pub write_timeout: Duration,
    /// How long uploads under way may still take after the drain began.
    pub drain_uploads: Duration,
    /// A worker that is silent for longer counts as gone.
    pub worker_silent: Duration,
}

impl ApiConfig {
    /// The variables read here.
    pub const VARS: &[Var] = &[
        JWT_SECRET,
        LISTEN_ADDR,
        MAX_UPLOAD_BYTES,
        MAX_UPLOADS_AT_ONCE,
        QUOTA_UNFINISHED_VIDEOS,
        MAX_ATTEMPTS,
        SIGNUP,
        TOKEN_LIFETIME_SECONDS,
        LOGIN_FAILURES_PER_ACCOUNT,
        LOGINS_PER_ADDRESS,
        MIN_FREE_DISK_BYTES,
        UPLOAD_STALL_SECONDS,
        DEFAULT_PROFILE,
        SECURE_COOKIES,
        TRUSTED_PROXIES,
        MAX_CONNECTIONS,
        MAX_STREAMS_PER_USER,
        HEADER_TIMEOUT_SECONDS,
        DRAIN_UPLOADS_SECONDS,
    ];

    /// The defaults, with a key and profiles. The first profile is the default one.
    #[must_use]
    pub fn new(jwt_secret: SecretString, profiles: Vec<ProfileInfo>) -> Self {
        let mut vars = Vars::of([(JWT_SECRET.name, jwt_secret.expose_secret())]);
        if let Some(first) = profiles.first() {
            vars.set(&DEFAULT_PROFILE, &first.name);
        }
        Self::from_vars(&mut vars, profiles)
    }

    /// Reads the API's variables and notes what is wrong with them.
    pub fn from_vars(vars: &mut Vars, profiles: Vec<ProfileInfo>) -> Self {
        let jwt_secret = vars.secret(&JWT_SECRET).unwrap_or_default();
        if let Err(problem) = secret::check(&jwt_secret) {
            vars.problem(&JWT_SECRET, problem);
        }
        let default_profile = vars.text(&DEFAULT_PROFILE).unwrap_or_default();
        if !profiles.iter().any(|profile| profile.name == default_profile) {
            let names: Vec<_> = profiles.iter().map(|profile| profile.name.as_str()).collect();
            vars.problem(&DEFAULT_PROFILE, format!("expected one of: {}", names.join(", ")));
        }
        Self {
            listen: vars.parse_optional(&LISTEN_ADDR).unwrap_or(([127, 0, 0, 1], 8080).into()),
            jwt_secret,
            max_upload_bytes: at_least_one(vars, &MAX_UPLOAD_BYTES),
            max_uploads_at_once: at_least_one(vars, &MAX_UPLOADS_AT_ONCE),
            quota_unfinished_videos: at_least_one(vars, &QUOTA_UNFINISHED_VIDEOS),
            max_attempts: at_least_one(vars, &MAX_ATTEMPTS),
            signup: vars.parse(&SIGNUP),
            token_lifetime: Duration::from_secs(at_least_one(vars, &TOKEN_LIFETIME_SECONDS)),
            login_failures_per_account: at_least_one(vars, &LOGIN_FAILURES_PER_ACCOUNT),
            logins_per_address: at_least_one(vars, &LOGINS_PER_ADDRESS),
            login_window: Duration::from_secs(60),
            hashes_at_once: 4,
            hashes_waiting: 32,
            min_free_disk_bytes: vars.parse(&MIN_FREE_DISK_BYTES),
            upload_stall: Duration::from_secs(at_least_one(vars, &UPLOAD_STALL_SECONDS)),
            upload_stall_bytes: 32 * 1024,
            profiles,
            default_profile,
            secure_cookies: vars.parse(&SECURE_COOKIES),
            trusted_proxies: vars.parse(&TRUSTED_PROXIES),
            max_connections: at_least_one(vars, &MAX_CONNECTIONS),
            max_streams_per_user: at_least_one(vars, &MAX_STREAMS_PER_USER),
            header_timeout: Duration::from_secs(at_least_one(vars, &HEADER_TIMEOUT_SECONDS)),
            request_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            drain_uploads: Duration::from_secs(vars.parse(&DRAIN_UPLOADS_SECONDS)),
            worker_silent: Duration::from_secs(60),
        }
    }
}

/// A number that makes no sense as zero.
fn at_least_one<T>(vars: &mut Vars, var: &Var) -> T
where
    T: std::str::FromStr + Default + PartialEq + From<u8>,
    T::Err: std::fmt::Display,
{
    match vars.parse_optional::<T>(var) {
        Some(value) if value != T::default() => value,
        Some(_) => {
            vars.problem(var, "expected at least 1");
            T::from(1)
        }
        None => T::from(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles() -> Vec<ProfileInfo> {
        vec![ProfileInfo { name: "web".to_owned(), description: String::new() }]
    }

    #[test]
    fn a_secret_alone_makes_a_configuration() {
        let mut vars = Vars::of([("JWT_SECRET", "q8Zr1vN0xk3Tt7Yw5uJm2Lc9Hb6Ds4Pf")]);
        let config = ApiConfig::from_vars(&mut vars, profiles());
        assert_eq!(vars.finish(), Ok(()));
        assert_eq!(config.listen.port(), 8080);
    }

    #[test]
    fn every_wrong_variable_is_named_and_no_value_is_shown() {
        let mut vars = Vars::of([
            ("JWT_SECRET", "hunter2"),
            ("MAX_UPLOAD_BYTES", "0"),
            ("LISTEN_ADDR", "here"),
            ("DEFAULT_PROFILE", "hunter3"),
            ("SIGNUP", "hunter4"),
        ]);
        let config = ApiConfig::from_vars(&mut vars, profiles());
        let message = vars.finish().unwrap_err().to_string();
        for name in ["JWT_SECRET", "MAX_UPLOAD_BYTES", "LISTEN_ADDR", "DEFAULT_PROFILE", "SIGNUP"] {
            assert!(message.contains(name), "{name}: {message}");
        }
        assert!(!message.contains("hunter"), "{message}");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
