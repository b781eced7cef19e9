use std::str::FromStr;

/// Whether people make their own accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Signup {
    /// Everybody who reaches the API can make one.
    #[default]
    Open,
    /// Nobody can: accounts are made from outside of the API.
    Closed,
}

impl FromStr for Signup {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            _ => Err("expected `open` or `closed`"),
        }
    }
}
