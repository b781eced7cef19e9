use reelfleet_runtime::Vars;
use serde::Deserialize;
use serde_json::json;

use super::{
    Failure, Result,
    connect::{ConnectArgs, Connection},
    http::{Api, read},
    render,
    screen::Screen,
};

#[derive(Debug, clap::Args)]
pub(crate) struct SignInArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// What the API says of a new link. No `Debug`: the path signs in.
#[derive(Deserialize)]
struct Link {
    path: String,
    expires_in: u32,
}

pub(super) fn run(args: &SignInArgs, vars: &Vars, screen: &mut Screen) -> Result<()> {
    let api = Api::new(Connection::find(&args.connect, vars)?);
    let link: Link = read(&api.post("/api/auth/link", None)?)?;
    if !link.path.starts_with('/') || link.path.contains(render::is_unprintable) {
        return Err(Failure::Answer("the answer holds no link".to_owned()));
    }
    let url = api.url(&link.path);
    if args.json {
        return screen.json(&json!({"link": url, "expires_in": link.expires_in}));
    }
    // The link alone is the result, for `open "$(reelfleet sign-in)"`.
    screen.print(&format!("{url}\n"))?;
    screen.note(&render::link_rule(link.expires_in));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::client::{
        fake::{Fake, Reply},
        screen::tests::screen,
    };

    fn run_on(body: &'static str, json: bool) -> (Result<()>, String, String) {
        let fake = Fake::start(move |request| {
            assert_eq!((&*request.method, &*request.path), ("POST", "/api/auth/link"));
            assert_eq!(request.header("authorization"), Some("Bearer token"));
            Reply::json(201, body)
        });
        let connect = ConnectArgs { url: Some(fake.url.clone()), data: None };
        let vars = Vars::of([("REELFLEET_TOKEN", "token")]);
        let (mut screen, out, err) = screen();
        let result = run(&SignInArgs { json, connect }, &vars, &mut screen);
        (result, out.text().replace(&fake.url, "http://fleet"), err.text())
    }

    #[test]
    fn the_link_is_whole_and_its_rule_is_told_beside_it() {
        let (result, out, err) = run_on(r#"{"path":"/sign-in/abc","expires_in":3600}"#, false);
        result.unwrap();
        assert_eq!(out, "http://fleet/sign-in/abc\n");
        assert_eq!(err, "This link signs in once, within an hour.\n");
    }

    #[test]
    fn programs_get_the_link_and_its_seconds() {
        let (result, out, err) = run_on(r#"{"path":"/sign-in/abc","expires_in":3600}"#, true);
        result.unwrap();
        let printed: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(printed, json!({"link": "http://fleet/sign-in/abc", "expires_in": 3600}));
        assert_eq!(err, "");
    }

    #[test]
    fn what_is_no_path_is_not_printed() {
        for body in [
            r#"{"path":"@evil.example/","expires_in":3600}"#,
            r#"{"path":"/sign-in/\u001b[2J","expires_in":3600}"#,
            r#"{"expires_in":3600}"#,
        ] {
            let (result, out, _) = run_on(body, false);
            assert!(matches!(result, Err(Failure::Answer(_))), "{body}");
            assert_eq!(out, "");
        }
    }
}
