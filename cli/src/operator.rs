use std::{
    io::{self, BufRead, Read, Write},
    process::ExitCode,
};

use reelfleet_api::{AccountError, SIGN_IN_LINK_LIVES, make_operator, sign_in_link};
use reelfleet_db::database_url;
use reelfleet_runtime::{Vars, start_telemetry};
use secrecy::SecretString;

use crate::{
    client::URL,
    compose::open_records,
    exit::{Failure, chain},
};

/// No password is longer, and whatever standard input is, no more of it is read.
const LONGEST_LINE: u64 = 1024;

/// Options of `reelfleet operator`.
#[derive(Debug, clap::Args)]
pub(crate) struct OperatorArgs {
    /// E-mail address of the account, which is made if it is not there
    email: String,
    /// Set the password in the first line of standard input, and print no link
    #[arg(long)]
    password_stdin: bool,
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Refused(why) => Self::arguments(why),
            AccountError::Db(error) => error.into(),
            AccountError::Hashing => Self::software(chain(&error)),
        }
    }
}

/// `reelfleet operator`: works on the database, as there is no operator yet whom the API would obey.
pub(crate) async fn run(args: OperatorArgs) -> Result<ExitCode, Failure> {
    let mut vars = Vars::process();
    start_telemetry(&mut vars);
    let url = database_url(&mut vars);
    let fleet = vars.text(&URL);
    vars.finish()?;
    let password = if args.password_stdin { Some(read_password()?) } else { None };
    let db = open_records(&url).await?;
    let was_there = db.user_by_email(args.email.trim()).await?;
    let user = make_operator(&db, &args.email, password).await?;
    tell(&format!("{} is an operator.", user.email));
    if args.password_stdin {
        return Ok(ExitCode::SUCCESS);
    }
    // Whoever signed up under the address may not be who was meant.
    if was_there.is_some_and(|user| !user.password_hash.is_empty()) {
        tell("The account was there before: whoever knows its password is an operator now.");
    }
    let (token, hash) = sign_in_link();
    db.create_sign_in_link(&hash, user.id, SIGN_IN_LINK_LIVES).await?;
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
