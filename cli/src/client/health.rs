use std::{net::SocketAddr, time::Duration};

use reelfleet_api::LISTEN_ADDR;
use reelfleet_runtime::Vars;

use super::{
    Failure, Result,
    connect::{self, ConnectArgs},
    http,
    screen::Screen,
};

/// Whoever asks for health wants to know it soon.
const SOON: Duration = Duration::from_secs(4);

#[derive(Debug, clap::Args)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) fn run(args: &HealthArgs, vars: &Vars, screen: &mut Screen) -> Result<()> {
    let url = match connect::address(&args.connect, vars)? {
        Some(url) => url,
        None => here(&vars.text(&LISTEN_ADDR).unwrap_or_default()),
    };
    let request = http::agent(&url).get(format!("{url}/ready"));
    let request = request.config().timeout_global(Some(SOON)).build();
    match request.call() {
        Ok(answer) if answer.status() == 200 => screen.print("ready\n"),
        Ok(answer) => {
            screen.note(&format!("{url} is not ready: it answers {}", answer.status().as_u16()));
            Err(Failure::Told)
        }
        Err(error) => {
            screen.note(&format!("{url} does not answer: {error}"));
            Err(Failure::Told)
        }
    }
}

/// The address under which this machine reaches what listens at `listen`.
fn here(listen: &str) -> String {
    match listen.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => {
            let host = if address.is_ipv6() { "[::1]" } else { "127.0.0.1" };
            format!("http://{host}:{}", address.port())
        }
        _ => format!("http://{listen}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{
        fake::{Fake, Reply},
        screen::tests::screen,
    };

    #[test]
    fn what_listens_everywhere_is_asked_on_this_machine() {
        assert_eq!(here("0.0.0.0:80"), "http://127.0.0.1:80");
        assert_eq!(here("[::]:80"), "http://[::1]:80");
        assert_eq!(here("10.0.0.7:80"), "http://10.0.0.7:80");
    }

    #[test]
    fn readiness_alone_is_healthy() {
        for (status, healthy) in [(200, true), (503, false), (404, false), (302, false)] {
            let fake = Fake::start(move |request| {
                assert_eq!(request.path, "/ready");
                Reply::json(status, "{}")
            });
            let connect = ConnectArgs { url: Some(fake.url.clone()), data: None };
            let result = run(&HealthArgs { connect }, &Vars::of([("", "")]), &mut screen().0);
            assert_eq!(result.is_ok(), healthy, "{status}");
        }
    }
}
