use std::net::IpAddr;

use reelfleet_db::{Db, NewUser, Role, User};
use secrecy::{ExposeSecret, SecretString};

use super::{hash_password, not_signed_in};
use crate::{
    config::Signup,
    problem::{Answer, Problem, codes},
    state::AppState,
};

/// Characters of the shortest and of the longest password.
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 10..=128;
/// The longest address that mail can carry.
const LONGEST_EMAIL: usize = 254;

/// Why an account could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The system gives no random numbers or no memory.
    #[error("the password could not be hashed")]
    Hashing,
    /// The address or the password will not do.
    #[error("{0}")]
    Refused(String),
    /// The address has an account with another role, which a link alone does not change.
    #[error("there is an account with this address already, with the role {}", .0.as_str())]
    OtherRole(Role),
    /// The records could not be read or written.
    #[error(transparent)]
    Db(#[from] reelfleet_db::Error),
}

impl From<Problem> for AccountError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem.detail.into_owned())
    }
}

/// Makes an account from outside of the API.
///
/// With a password, an account that is there is taken over: it gets the role and the password, and
/// nothing that opened it so far does any more. Without one, the account is entered by link; one
/// that is there comes back as it is, if it has the role.
///
/// # Errors
///
/// See [`AccountError`].
pub async fn make_account(
    db: &Db,
    email: &str,
    role: Role,
    password: Option<SecretString>,
) -> Result<User, AccountError> {
    let email = check_email(email)?;
    if let Some(password) = password {
        check_password(&password)?;
        let password_hash = hash_password(password).await?;
        return Ok(db.take_over(&NewUser { email, password_hash, role }).await?);
    }
    let new = NewUser { email, password_hash: String::new(), role };
    match db.create_user(&new).await {
        Err(reelfleet_db::Error::Taken) => {}
        made => return Ok(made?),
    }
    let there = db.user_by_email(&new.email).await?.ok_or(reelfleet_db::Error::Taken)?;
    if there.role == role { Ok(there) } else { Err(AccountError::OtherRole(there.role)) }
}

/// Refuses where people do not make their own accounts.
pub(crate) fn check_open(state: &AppState) -> Answer<()> {
    match state.config.signup {
        Signup::Open => Ok(()),
        Signup::Closed => Err(Problem::new(
            &codes::SIGNUP_CLOSED,
            "Nobody makes an account of their own here. Ask whoever runs this fleet for one.",
        )),
    }
}

/// Makes an account of a user.
pub(crate) async fn sign_up(
    state: &AppState,
    address: IpAddr,
    email: &str,
    password: SecretString,
) -> Answer<User> {
    check_open(state)?;
    let email = check_email(email)?;
    check_password(&password)?;
    state.login_limits.count_address(address, state.clock.now())?;
    let password_hash = state.passwords.hash(password).await?;
    let new = NewUser { email, password_hash, role: Role::User };
    match state.db.create_user(&new).await {
        Ok(user) => {
            tracing::info!(user = %user.id, "an account was made");
            Ok(user)
        }
        Err(reelfleet_db::Error::Taken) => {
            Err(Problem::new(&codes::EMAIL_TAKEN, "There is an account with this address already."))
        }
        Err(error) => Err(error.into()),
    }
}

/// The account that an address and a password open.
pub(crate) async fn sign_in(
    state: &AppState,
    address: IpAddr,
    email: &str,
    password: SecretString,
) -> Answer<User> {
    let (email, now) = (email.trim(), state.clock.now());
    state.login_limits.count_address(address, now)?;
    state.login_limits.count_account(email, now)?;
    let user = state.db.user_by_email(email).await?;
    let stored = user.as_ref().map(|user| user.password_hash.clone());
    let compared = state.passwords.compare(password.clone(), stored).await?;
    let Some(user) = user.filter(|_| compared.right) else {
        return Err(Problem::new(
            &codes::WRONG_CREDENTIALS,
            "There is no account with this address and password.",
        ));
    };
    state.login_limits.succeeded(email, now);
    if compared.outdated {
        let hash = state.passwords.hash(password).await?;
        state.db.renew_password_hash(&user, &hash).await?;
        tracing::info!(user = %user.id, "a password hash was renewed");
    }
    Ok(user)
}

/// Gives an account a password, or another one for whoever knows the `current` one.
/// Every token so far is void then; the account that comes back is for a fresh one.
pub(crate) async fn set_password(
    state: &AppState,
    address: IpAddr,
    user: &User,
    password: SecretString,
    current: Option<SecretString>,
) -> Answer<User> {
    check_password(&password)?;
    let now = state.clock.now();
    state.login_limits.count_address(address, now)?;
    // Accounts that are entered by link only have none to compare with.
    if !user.password_hash.is_empty() {
        let current = current.ok_or_else(wrong_current)?;
        // A session that was stolen must not be a way to guess without end.
        state.login_limits.count_account(&user.email, now)?;
        let stored = Some(user.password_hash.clone());
        if !state.passwords.compare(current, stored).await?.right {
            return Err(wrong_current());
        }
        state.login_limits.succeeded(&user.email, now);
    }
    let hash = state.passwords.hash(password).await?;
    // The session may have ended since it was looked at: another password came first.
    let user = state.db.change_password(user, &hash).await?.ok_or_else(not_signed_in)?;
    tracing::info!(user = %user.id, "a password was set, which ended every session so far");
    Ok(user)
}

fn wrong_current() -> Problem {
    Problem::new(
        &codes::WRONG_CREDENTIALS,
        "The account has a password: send it, as it is now, as `current`.",
    )
}

fn check_email(email: &str) -> Answer<String> {
    let email = email.trim();
    if is_email(email) {
        Ok(email.to_owned())
    } else {
        Err(Problem::new(&codes::BAD_EMAIL, "This is not an e-mail address."))
    }
}

/// Only what can never be delivered to is refused: a whole grammar would refuse real addresses.
fn is_email(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else { return false };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"".contains(c);
    email.len() <= LONGEST_EMAIL
        && !local.is_empty()
        && local.len() <= 64
        && !local.contains('@')
        && email.chars().all(plain)
        && domain.split('.').all(|label| !label.is_empty() && label.len() <= 63)
        && !domain.starts_with('-')
}

fn check_password(password: &SecretString) -> Answer<()> {
    let chars = password.expose_secret().chars().count();
    if PASSWORD_CHARS.contains(&chars) {
        return Ok(());
    }
    Err(Problem::new(&codes::WEAK_PASSWORD, "A password has 10 to 128 characters."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mail_can_reach_are_accepted() {
        for email in ["a@b.de", "ann+films@mail.example.org", "operator@localhost", "ü@exämple.de"]
        {
            assert!(is_email(email), "{email}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@b.de", "a".repeat(65));
        let longer = format!("a@{}.de", "b.".repeat(130));
        for email in [
            "",
            "a",
            "@",
            "a@",
            "@b.de",
            "a@b@c.de",
            "a b@c.de",
            "a@b..de",
            "a@.de",
            "a\r\n@b.de",
            "a\0@b.de",
            "Ann <a@b.de>",
            "a@-b.de",
            &long,
            &longer,
        ] {
            assert!(!is_email(email), "{email:?}");
        }
    }
}
