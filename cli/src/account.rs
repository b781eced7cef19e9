use std::{
    io::{self, BufRead, Read, Write},
    process::ExitCode,
};

use reelfleet_api::{AccountError, SIGN_IN_LINK_LIVES, make_account, sign_in_link};
use reelfleet_db::{DatabaseConfig, Db, Role, User};
use reelfleet_runtime::start_telemetry;
use secrecy::SecretString;

use crate::{
    client::URL,
    compose::{environment, open_records},
    exit::{Failure, chain},
};

/// No password is longer, and whatever standard input is, no more of it is read.
const LONGEST_LINE: u64 = 1024;

/// Said wherever an account is not what it would be as a new one.
const TAKES_OVER: &str = "--password-stdin takes it over: it gets the role and the password, \
                          and what opened it so far does so no more.";

/// Options of `reelfleet account`.
#[derive(Debug, clap::Args)]
pub(crate) struct AccountArgs {
    /// E-mail address of the account
    email: String,
    /// Make it an operator's; without, it is a user's
    #[arg(long)]
    operator: bool,
    /// Set the password in the first line of standard input, and print no link. An account that
    /// is there is taken over: it gets the role, and its password, sessions and links so far end
    #[arg(long)]
    password_stdin: bool,
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Refused(why) => Self::arguments(why),
            AccountError::OtherRole(_) => Self::arguments(format!("{error}. {TAKES_OVER}")),
            AccountError::Db(error) => error.into(),
            AccountError::Hashing => Self::software(chain(&error)),
        }
    }
}

/// `reelfleet account`: works on the database, as there may be nobody yet whom the API would obey.
pub(crate) async fn run(args: AccountArgs) -> Result<ExitCode, Failure> {
    let mut vars = environment();
    start_telemetry(&mut vars);
    let config = DatabaseConfig::from_vars(&mut vars);
    let fleet = vars.text(&URL);
    vars.finish()?;
    let password = if args.password_stdin { Some(read_password()?) } else { None };
    let role = if args.operator { Role::Operator } else { Role::User };
    let db = open_records(&config).await?;
    let user = make_account(&db, &args.email, role, password).await?;
    tell(&format!("The account {} has the role {}.", user.email, user.role.as_str()));
    if args.password_stdin {
        return Ok(ExitCode::SUCCESS);
    }
    // Whoever signed up under the address may not be who was meant.
    if !user.password_hash.is_empty() {
        tell(&format!("It was there before, with a password that goes on. {TAKES_OVER}"));
    }
    let token = new_link(&db, &user).await?;
    let base = fleet.as_deref().unwrap_or_default().trim_end_matches('/');
    // The link alone is the result, as with `reelfleet sign-in`.
    writeln!(io::stdout(), "{base}/sign-in/{token}").map_err(Failure::software)?;
    tell(if base.is_empty() {
        "Open this path below the fleet's address. It signs in once, within an hour."
    } else {
        "This link signs in once, within an hour."
    });
    Ok(ExitCode::SUCCESS)
}

/// Records a new link for an account that was just looked up, and returns the token in it.
pub(crate) async fn new_link(db: &Db, user: &User) -> Result<String, Failure> {
    let (token, hash) = sign_in_link();
    if db.create_sign_in_link(&hash, user, SIGN_IN_LINK_LIVES).await? {
        return Ok(token);
    }
    let email = &user.email;
    Err(Failure::unavailable(format!("the password of {email} was just set elsewhere: try again")))
}

fn read_password() -> Result<SecretString, Failure> {
    let mut line = String::new();
    io::stdin()
        .lock()
        .take(LONGEST_LINE)
        .read_line(&mut line)
        .map_err(|error| Failure::unavailable(format!("standard input: {error}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).into())
}

/// Tells the person at the terminal. If nobody can see it, that is no reason to fail.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
