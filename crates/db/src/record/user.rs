use reelfleet_job::UserId;
use reelfleet_runtime::Timestamp;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Own videos only.
    User,
    /// Also the fleet: queue, workers, dead jobs.
    Operator,
}

impl Role {
    /// The stored name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
        }
    }
}

/// An account to make.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Address, which also names the account; upper and lower case are one.
    pub email: String,
    /// Password hash in PHC form.
    pub password_hash: String,
    /// What the user may do.
    pub role: Role,
}

/// An account.
#[derive(Clone)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Address.
    pub email: String,
    /// Password hash in PHC form. Never printed.
    pub password_hash: String,
    /// What the user may do.
    pub role: Role,
    /// Raised with each new password: session tokens of an older one are void.
    pub token_version: u64,
    /// When the account was made.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
