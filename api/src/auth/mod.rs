//! Who is asking: accounts, passwords, tokens, sign-in links.

mod account;
mod address;
mod calls;
mod limits;
mod link;
mod origin;
mod password;
mod session;
mod token;

pub use account::{AccountError, make_account};
pub use link::{SIGN_IN_LINK_LIVES, sign_in_link};
pub use password::hash_password;
pub use token::issue_token;

pub(crate) use account::{check_open, set_password, sign_in, sign_up};
pub(crate) use address::ClientAddress;
pub(crate) use calls::{
    __path_change_password, __path_log_in, __path_make_link, __path_me, __path_sign_up_call,
    change_password, log_in, make_link, me, sign_up_call,
};
pub(crate) use limits::LoginLimits;
pub(crate) use link::{follow_link, sign_out};
pub(crate) use origin::OwnOrigin;
pub(crate) use password::Passwords;
pub(crate) use session::{Operator, SignedIn, clear_session, not_signed_in, set_session};
pub(crate) use token::Tokens;
