use std::{
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    answer::{ask, is_fine},
    free_port,
    keeper::Keeper,
    pause,
};

/// It starts in two seconds on an idle machine.
const START: Duration = Duration::from_secs(120);

/// Where `tools/aws-templates` puts it.
const PROGRAM: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/aws-templates/aws/bin/moto_server");

/// An emulator whose groups start instances, which register with load balancers. It forgets
/// everything when it ends.
#[derive(Debug)]
pub struct Moto {
    port: u16,
    keeper: Keeper,
}

impl Moto {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// It is not installed, or it does not start.
    #[must_use]
    pub fn start() -> Moto {
        assert!(Path::new(PROGRAM).exists(), "no moto: run tools/aws-templates");
        let folder = tempfile::Builder::new().prefix("reelfleet-moto-").tempdir();
        let folder = folder.expect("a temporary folder").keep();
        let port = free_port();
        let server = [PROGRAM, "-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned);
        let moto = Moto { port, keeper: Keeper::start(folder, &server) };
        let until = Instant::now() + START;
        while !is_fine(&ask(port, "/moto-api/")) {
            assert!(Instant::now() < until, "it did not start: {}", moto.keeper.log());
            pause();
        }
        moto
    }

    /// What `AWS_ENDPOINT_URL` is to be.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
