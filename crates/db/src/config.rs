use reelfleet_runtime::{Var, Vars};

/// Where the records are.
pub const DATABASE_URL: Var =
    Var::new("DATABASE_URL", "sqlite:./data/reelfleet.db", "Where the records are: `sqlite:PATH`.");

/// The variables read here.
pub const VARS: &[Var] = &[DATABASE_URL];

/// Reads the database's URL and notes what is wrong with it.
pub fn database_url(vars: &mut Vars) -> String {
    let url = vars.text(&DATABASE_URL).unwrap_or_default();
    match url.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => {}
        _ => vars.problem(&DATABASE_URL, "expected `sqlite:PATH`"),
    }
    url
}
