use std::{
    path::Path,
    time::{Duration, Instant},
};

use reelfleet_aws::{AccessKey, AwsConfig};

use crate::{
    answer::{ask, is_fine},
    free_port,
    keeper::Keeper,
    pause,
};

/// On an idle machine they start in half a second to two, and one of them in five when it was just
/// installed.
const START: Duration = Duration::from_secs(120);

/// An emulator of AWS. It forgets everything when it ends.
#[derive(Debug)]
pub struct Emulator {
    port: u16,
    /// The path that answers when it is there.
    health: &'static str,
    keeper: Keeper,
}

impl Emulator {
    /// Starts one, by the command line that `server` makes of a folder for its data and of a port,
    /// and waits until it answers.
    pub(crate) fn start(
        name: &str,
        health: &'static str,
        server: impl FnOnce(&Path, u16) -> Vec<String>,
    ) -> Emulator {
        let folder = tempfile::Builder::new().prefix(&format!("reelfleet-{name}-")).tempdir();
        let folder = folder.expect("a temporary folder").keep();
        let port = free_port();
        let server = server(&folder, port);
        let emulator = Emulator { port, health, keeper: Keeper::start(folder, &server) };
        emulator.wait();
        emulator
    }

    fn wait(&self) {
        let until = Instant::now() + START;
        while !is_fine(&ask(self.port, self.health)) {
            assert!(Instant::now() < until, "it did not start: {}", self.keeper.log());
            pause();
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `AWS_ENDPOINT_URL` is to be.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The address of a queue, or what `SQS_QUEUE_URL` is to be for queues whose names begin so.
    #[must_use]
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}/000000000000/{name}", self.endpoint())
    }

    /// How it is reached.
    #[must_use]
    pub fn aws(&self) -> AwsConfig {
        // MiniStack checks signatures, against this secret. The others take any.
        let (id, secret) = ("test".into(), "test".into());
        AwsConfig {
            region: Some("us-east-1".to_owned()),
            endpoint: Some(self.endpoint()),
            access_key: Some(AccessKey { id, secret, session_token: None }),
        }
    }

    /// Ends it, and everything that it held.
    pub fn kill(&mut self) {
        self.keeper.signal("KILL");
    }

    /// Starts it again, with nothing in it.
    pub fn restart(&mut self) {
        self.keeper.again();
        self.wait();
    }

    /// Freezes it: connections hang.
    pub fn freeze(&mut self) {
        self.keeper.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.keeper.signal("CONT");
    }
}
