use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::{
    config::ApiConfig,
    problem::{Answer, Problem, codes, internal},
};

/// OWASP's least: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes passwords, few at a time: each takes 19 MiB and a core for a while.
pub(crate) struct Passwords {
    working: Arc<Semaphore>,
    /// Those at work and those that wait. Beyond it nobody waits.
    admitted: Arc<Semaphore>,
}

/// What a comparison came to.
pub(crate) struct Compared {
    pub(crate) right: bool,
    /// The stored hash was made with other parameters than today's.
    pub(crate) outdated: bool,
}

impl Passwords {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        let working = config.hashes_at_once.max(1) as usize;
        Self {
            working: Arc::new(Semaphore::new(working)),
            admitted: Arc::new(Semaphore::new(working + config.hashes_waiting as usize)),
        }
    }

    /// The hash of a new password.
    pub(crate) async fn hash(&self, password: SecretString) -> Answer<String> {
        self.run(move || hash(password.expose_secret())).await?.map_err(|error| {
            tracing::error!(%error, "a password could not be hashed");
            internal()
        })
    }

    /// Compares a password with a stored hash. Without one it takes as long, and is wrong.
    pub(crate) async fn compare(
        &self,
        password: SecretString,
        stored: Option<String>,
    ) -> Answer<Compared> {
        self.run(move || compare(password.expose_secret(), stored.as_deref())).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
        let Ok(admitted) = Arc::clone(&self.admitted).try_acquire_owned() else {
            return Err(Problem::new(
                &codes::TOO_MANY_LOGINS,
                "Too many people sign in right now. Try again in a moment.",
            )
            .retry_after(2));
        };
        // The semaphores are never closed.
        let working = Arc::clone(&self.working).acquire_owned().await;
        let working = working.map_err(|_closed| internal())?;
        // A client that goes away drops this future but not the thread's work,
        // so both places go with the work.
        tokio::task::spawn_blocking(move || {
            let _places = (admitted, working);
            work()
        })
        .await
        .map_err(|_panicked| internal())
    }
}

/// The hash of a password in PHC form, for accounts made outside of the API.
///
/// # Errors
///
/// The system gives no random numbers or no memory.
pub async fn hash_password(password: SecretString) -> Result<String, super::AccountError> {
    tokio::task::spawn_blocking(move || hash(password.expose_secret()))
        .await
        .map_err(|_panicked| super::AccountError::Hashing)?
        .map_err(|_error| super::AccountError::Hashing)
}

fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(argon2()?.hash_password(password.as_bytes())?.to_string())
}

fn compare(password: &str, stored: Option<&str>) -> Compared {
    let Some(stored) = stored.and_then(|stored| PasswordHash::new(stored).ok()) else {
        // The same work as for a known account, so that time does not tell
        // which addresses have one.
        let _ = hash(password);
        return Compared { right: false, outdated: false };
    };
    let right =
        argon2().is_ok_and(|argon2| argon2.verify_password(password.as_bytes(), &stored).is_ok());
    Compared { right, outdated: is_outdated(&stored) }
}

fn is_outdated(stored: &PasswordHash) -> bool {
    stored.algorithm.as_str() != "argon2id"
        || stored.version != Some(Version::V0x13.into())
        || Params::try_from(stored).map_or(true, |params| {
            (params.m_cost(), params.t_cost(), params.p_cost()) != (MEMORY_KIB, PASSES, LANES)
        })
}

fn argon2() -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_right_only_for_its_own_hash() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(compare("correct horse", Some(&stored)).right);
        assert!(!compare("wrong horse", Some(&stored)).right);
        assert!(!compare("correct horse", None).right);
        assert!(!compare("correct horse", Some("nonsense")).right);
    }

    #[test]
    fn a_hash_made_with_other_parameters_is_outdated() {
        let weak = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(1024, 1, 1, None).unwrap(),
        );
        let stored = weak.hash_password(b"correct horse").unwrap().to_string();
        let compared = compare("correct horse", Some(&stored));
        assert!(compared.right && compared.outdated);
        let stored = hash("correct horse").unwrap();
        assert!(!compare("correct horse", Some(&stored)).outdated);
    }
}
