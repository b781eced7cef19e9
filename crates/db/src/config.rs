use std::{fmt, str::FromStr};

use reelfleet_runtime::{Var, Vars};
use secrecy::{ExposeSecret, SecretString};

/// Where the records are.
pub const DATABASE_URL: Var = Var::new(
    "DATABASE_URL",
    "sqlite:./data/reelfleet.db",
    "Where the records are: `sqlite:PATH`, or `postgres://USER:PASSWORD@HOST/DATABASE`.",
);

const DB_SSL_MODE: Var = Var::new(
    "DB_SSL_MODE",
    "",
    "TLS to Postgres: `disable`, `require` (any certificate) or `verify-full`. Default: as the URL's `sslmode` says, else TLS where the server has it.",
);

const DB_MAX_CONNECTIONS: Var = Var::new(
    "DB_MAX_CONNECTIONS",
    "10",
    "Most connections of one process to Postgres, beside one that only listens. All processes together must stay below the server's own limit.",
);

/// The variables read here.
pub const VARS: &[Var] = &[DATABASE_URL, DB_SSL_MODE, DB_MAX_CONNECTIONS];

/// Which database, and how it is reached.
#[derive(Clone)]
pub struct DatabaseConfig {
    url: SecretString,
    /// TLS to Postgres; as the URL says where none is set.
    pub(crate) ssl_mode: Option<SslMode>,
    /// Most connections to Postgres.
    pub(crate) max_connections: u32,
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig").finish_non_exhaustive()
    }
}

impl DatabaseConfig {
    /// The database of a URL, reached as by default.
    #[must_use]
    pub fn of(url: &str) -> Self {
        let mut vars = Vars::of([(DATABASE_URL.name, url)]);
        Self::from_vars(&mut vars)
    }

    /// Reads the database's variables and notes what is wrong with them.
    pub fn from_vars(vars: &mut Vars) -> Self {
        let url = vars.text(&DATABASE_URL).unwrap_or_default();
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {}
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {}
            _ => {
                vars.problem(&DATABASE_URL, "expected `sqlite:PATH` or `postgres://HOST/DATABASE`")
            }
        }
        let max_connections = vars.parse(&DB_MAX_CONNECTIONS);
        if max_connections == 0 {
            vars.problem(&DB_MAX_CONNECTIONS, "expected at least 1");
        }
        Self { url: url.into(), ssl_mode: vars.parse_optional(&DB_SSL_MODE), max_connections }
    }

    /// The URL. It may hold a password.
    pub(crate) fn url(&self) -> &str {
        self.url.expose_secret()
    }
}

/// How a connection to Postgres is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SslMode {
    Disable,
    Require,
    VerifyFull,
}

impl FromStr for SslMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "disable" => Ok(Self::Disable),
            "require" => Ok(Self::Require),
            "verify-full" => Ok(Self::VerifyFull),
            _ => Err("expected `disable`, `require` or `verify-full`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_and_the_password_is_not() {
        let mut vars = Vars::of([
            ("DATABASE_URL", "mysql://root:hunter2@host/db"),
            ("DB_SSL_MODE", "allow"),
            ("DB_MAX_CONNECTIONS", "0"),
        ]);
        let config = DatabaseConfig::from_vars(&mut vars);
        assert!(!format!("{config:?}").contains("hunter2"));
        let said = vars.finish().unwrap_err().to_string();
        for name in ["DATABASE_URL: ", "DB_SSL_MODE: ", "DB_MAX_CONNECTIONS: "] {
            assert!(said.contains(name), "{said}");
        }
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn both_databases_are_understood() {
        for url in ["sqlite:a.db", "postgres://a@b/c", "postgresql://a@b/c?sslmode=require"] {
            let mut vars = Vars::of([("DATABASE_URL", url)]);
            assert_eq!(DatabaseConfig::from_vars(&mut vars).url(), url);
            assert_eq!(vars.finish(), Ok(()));
        }
    }
}
