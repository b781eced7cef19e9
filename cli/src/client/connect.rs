use std::{
    fs, io,
    path::{Path, PathBuf},
};

use reelfleet_runtime::{Var, Vars};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use super::{Failure, Result};

/// Where the fleet is.
pub(crate) const URL: Var =
    Var::new("REELFLEET_URL", "", "The fleet's address for commands, as https://host[:port].");
const TOKEN: Var = Var::new("REELFLEET_TOKEN", "", "Access token for commands, a secret.");
/// The folder of the fleet on this machine.
pub(crate) const DATA: Var = Var::new(
    "REELFLEET_DATA",
    "./data",
    "Folder of the fleet on this machine; commands find it there when REELFLEET_URL is unset.",
);

/// The variables read here.
pub(crate) const VARS: &[Var] = &[URL, TOKEN, DATA];

/// Where `up` leaves its address and a token, in its data folder.
const FLEET_FILE: &str = "fleet.json";

/// Which fleet to talk to.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ConnectArgs {
    /// The fleet's folder on this machine.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "url",
        help = "Folder of the fleet on this machine [env: REELFLEET_DATA, default: ./data]"
    )]
    pub(super) data: Option<PathBuf>,
    /// The fleet's address, anywhere.
    #[arg(
        long,
        value_name = "URL",
        help = "Address of the fleet [env: REELFLEET_URL, with REELFLEET_TOKEN]"
    )]
    pub(super) url: Option<String>,
}

/// A fleet's address and the token for it. `Debug` shows no token.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) url: String,
    pub(super) token: SecretString,
    /// The data folder, where the address comes from one.
    data: Option<PathBuf>,
    /// The token is the user's own, not the one in the data folder.
    own_token: bool,
}

#[derive(Deserialize)]
struct FleetFile {
    url: String,
    #[serde(deserialize_with = "secret")]
    token: SecretString,
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<SecretString, D::Error> {
    String::deserialize(from).map(SecretString::from)
}

impl Connection {
    /// An argument beats a variable, and a named address beats the fleet on this machine.
    pub(super) fn find(args: &ConnectArgs, vars: &Vars) -> Result<Self> {
        let own = vars.secret(&TOKEN);
        if let Some(token) = &own
            && !token.expose_secret().bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(Failure::Config(
                "REELFLEET_TOKEN: expected a token without spaces or line breaks".to_owned(),
            ));
        }
        let url = match (&args.url, &args.data) {
            (Some(url), _) => Some(check_url("--url", url)?),
            (None, None) => vars.given(&URL).map(|url| check_url(URL.name, url)).transpose()?,
            (None, Some(_)) => None,
        };
        if let Some(url) = url {
            let token = own.ok_or_else(|| {
                Failure::Config(format!(
                    "REELFLEET_TOKEN is not set: {url} needs one. POST /api/auth/login gives it."
                ))
            })?;
            return Ok(Self { url, token, data: None, own_token: true });
        }
        let data = data_folder(args, vars);
        let file = read_fleet_file(&data)?;
        let own_token = own.is_some();
        Ok(Self {
            url: check_url(FLEET_FILE, &file.url)?,
            token: own.unwrap_or(file.token),
            data: Some(data),
            own_token,
        })
    }

    /// Reads the fleet's file again. Some when the fleet was started anew in between.
    pub(super) fn renewed(&self) -> Option<Self> {
        let data = self.data.as_ref()?;
        let file = read_fleet_file(data).ok()?;
        let url = check_url(FLEET_FILE, &file.url).ok()?;
        let token = if self.own_token { self.token.clone() } else { file.token };
        let same = url == self.url && token.expose_secret() == self.token.expose_secret();
        (!same).then(|| Self { url, token, ..self.clone() })
    }

    /// What to do when nobody answers.
    pub(super) fn away_hint(&self) -> String {
        match &self.data {
            Some(data) => format!(
                "The fleet in {} does not run: start it with `reelfleet up`.",
                data.display()
            ),
            None => "Check REELFLEET_URL and that the fleet runs.".to_owned(),
        }
    }

    /// What to do when the token is refused.
    pub(super) fn token_hint(&self) -> String {
        match &self.data {
            Some(data) if !self.own_token => format!(
                "Start the fleet in {} again with `reelfleet up`: it leaves a new token.",
                data.display()
            ),
            _ => "Set REELFLEET_TOKEN to a new one; POST /api/auth/login gives it.".to_owned(),
        }
    }
}

/// The fleet's folder on this machine, whether or not anything is in it.
fn data_folder(args: &ConnectArgs, vars: &Vars) -> PathBuf {
    args.data.clone().unwrap_or_else(|| vars.text(&DATA).unwrap_or_default().into())
}

/// The address to ask for readiness, for which no token is needed.
pub(super) fn address(args: &ConnectArgs, vars: &Vars) -> Result<Option<String>> {
    match (&args.url, &args.data, vars.given(&URL)) {
        (Some(url), _, _) => check_url("--url", url).map(Some),
        (None, None, Some(url)) => check_url(URL.name, url).map(Some),
        (None, given, _) => match read_fleet_file(&data_folder(args, vars)) {
            Ok(file) => check_url(FLEET_FILE, &file.url).map(Some),
            Err(failure) if given.is_some() => Err(failure),
            Err(_) => Ok(None),
        },
    }
}

fn read_fleet_file(data: &Path) -> Result<FleetFile> {
    let path = data.join(FLEET_FILE);
    let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Failure::NoFleet(format!(
            "No running fleet found in {}: start one with `reelfleet up`, or set REELFLEET_URL and REELFLEET_TOKEN.",
            data.display()
        )),
        io::ErrorKind::PermissionDenied => Failure::Config(format!(
            "{} cannot be read: only the user who started the fleet may. Set REELFLEET_URL and REELFLEET_TOKEN instead.",
            path.display()
        )),
        _ => Failure::Config(format!("{} cannot be read: {error}", path.display())),
    })?;
    serde_json::from_str(&text).map_err(|_| {
        // The parser's own message could quote the token.
        Failure::Config(format!(
            "{} is damaged: start the fleet again with `reelfleet up`.",
            path.display()
        ))
    })
}

/// The address without a slash at its end.
fn check_url(name: &str, url: &str) -> Result<String> {
    let wrong = || Failure::Config(format!("{name}: expected an address such as https://host"));
    let uri: ureq::http::Uri = url.parse().map_err(|_| wrong())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    // A password in an address would end up in messages.
    let plain = uri.authority().is_some_and(|a| !a.as_str().contains('@'));
    if known && plain && uri.query().is_none() {
        Ok(url.trim_end_matches('/').to_owned())
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(args: &ConnectArgs, vars: &[(&str, &str)]) -> Result<Connection> {
        Connection::find(args, &Vars::of(vars.iter().copied()))
    }

    fn folder(text: &str) -> (tempfile::TempDir, ConnectArgs) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FLEET_FILE), text).unwrap();
        let args = ConnectArgs { data: Some(folder.path().to_owned()), url: None };
        (folder, args)
    }

    #[test]
    fn without_anything_the_message_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().display().to_string();
        let failure = find(&ConnectArgs::default(), &[("REELFLEET_DATA", &data)]).unwrap_err();
        assert_eq!(
            failure.to_string(),
            format!(
                "No running fleet found in {data}: start one with `reelfleet up`, or set REELFLEET_URL and REELFLEET_TOKEN."
            )
        );
    }

    #[test]
    fn the_nearer_choice_wins() {
        let (_folder, args) = folder(r#"{"url":"http://127.0.0.1:1/","token":"file","pid":1}"#);
        let env = [("REELFLEET_URL", "https://far"), ("REELFLEET_TOKEN", "env")];
        // A folder named as an argument beats the variable with the address.
        let found = find(&args, &env).unwrap();
        assert_eq!(
            (found.url.as_str(), found.token.expose_secret()),
            ("http://127.0.0.1:1", "env")
        );
        let found = find(&args, &[]).unwrap();
        assert_eq!(found.token.expose_secret(), "file");
        assert!(!format!("{found:?}").contains("file\""), "{found:?}");
        let found = find(&ConnectArgs::default(), &env).unwrap();
        assert_eq!(found.url, "https://far");
        let named = ConnectArgs { url: Some("http://near/".to_owned()), data: None };
        assert_eq!(find(&named, &env).unwrap().url, "http://near");
    }

    #[test]
    fn a_local_token_is_never_sent_to_a_named_address() {
        let failure = find(&ConnectArgs::default(), &[("REELFLEET_URL", "https://far")]);
        assert!(failure.unwrap_err().to_string().starts_with("REELFLEET_TOKEN is not set"));
    }

    #[test]
    fn wrong_values_are_named_and_never_shown() {
        for url in ["far", "ftp://far", "https://me:pw@far", "https://", "https://far/?x=1", "a b"]
        {
            let vars = [("REELFLEET_URL", url), ("REELFLEET_TOKEN", "x")];
            let failure = find(&ConnectArgs::default(), &vars).unwrap_err();
            assert!(matches!(failure, Failure::Config(_)), "{url}");
            assert!(!failure.to_string().contains("pw"), "{failure}");
        }
        let vars = [("REELFLEET_URL", "https://far"), ("REELFLEET_TOKEN", "hunter2\r\nX: y")];
        let message = find(&ConnectArgs::default(), &vars).unwrap_err().to_string();
        assert!(message.contains("REELFLEET_TOKEN") && !message.contains("hunter"), "{message}");
        let (_folder, args) = folder(r#"{"token":"hunter2","url":7}"#);
        let message = find(&args, &[]).unwrap_err().to_string();
        assert!(message.contains("damaged") && !message.contains("hunter"), "{message}");
    }

    #[test]
    fn a_fleet_that_was_started_anew_is_noticed() {
        let (folder, args) = folder(r#"{"url":"http://127.0.0.1:1","token":"one","pid":1}"#);
        let found = find(&args, &[]).unwrap();
        assert!(found.renewed().is_none());
        let text = r#"{"url":"http://127.0.0.1:1","token":"two","pid":2}"#;
        fs::write(folder.path().join(FLEET_FILE), text).unwrap();
        assert_eq!(found.renewed().unwrap().token.expose_secret(), "two");
    }
}
