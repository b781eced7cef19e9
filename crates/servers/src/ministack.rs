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

/// It starts in half a second on an idle machine.
const START: Duration = Duration::from_secs(60);

/// Where `tools/aws-emulator` puts it.
const PROGRAM: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/ministack-1.5.33/bin/ministack");

/// An emulator of SQS, S3 and others. It forgets everything when it ends.
#[derive(Debug)]
pub struct Ministack {
    port: u16,
    keeper: Keeper,
}

impl Ministack {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// It is not installed, or it does not start.
    #[must_use]
    pub fn start() -> Ministack {
        assert!(Path::new(PROGRAM).exists(), "no AWS emulator: run tools/aws-emulator");
        let folder = tempfile::Builder::new().prefix("reelfleet-ministack-").tempdir();
        let folder = folder.expect("a temporary folder").keep();
        let port = free_port();
        let server = [
            "env".to_owned(),
            "BIND_HOST=127.0.0.1".to_owned(),
            format!("GATEWAY_PORT={port}"),
            format!("HOME={}", folder.display()),
            PROGRAM.to_owned(),
        ];
        let ministack = Ministack { port, keeper: Keeper::start(folder, &server) };
        ministack.wait();
        ministack
    }

    fn wait(&self) {
        let until = Instant::now() + START;
        while !self.healthy() {
            assert!(Instant::now() < until, "it did not start: {}", self.keeper.log());
            pause();
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
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

    /// Makes a queue.
    ///
    /// # Panics
    ///
    /// It refuses.
    pub fn create_queue(&self, name: &str) {
        let answer = ask(self.port, &format!("/?Action=CreateQueue&QueueName={name}"));
        assert!(is_fine(&answer), "{name}: {answer:?}");
    }

    /// Puts a message on a queue, whatever it says.
    ///
    /// # Panics
    ///
    /// It refuses.
    pub fn send(&self, queue: &str, body: &str) {
        let url = quoted(&format!("{}/000000000000/{queue}", self.endpoint()));
        let body = quoted(body);
        let answer =
            ask(self.port, &format!("/?Action=SendMessage&QueueUrl={url}&MessageBody={body}"));
        assert!(is_fine(&answer), "{queue}: {answer:?}");
    }

    /// What `AWS_ENDPOINT_URL` is to be.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How it is reached. It takes any key.
    #[must_use]
    pub fn aws(&self) -> AwsConfig {
        // It checks signatures, against this secret.
        let (id, secret) = ("test".into(), "test".into());
        AwsConfig {
            region: Some("us-east-1".to_owned()),
            endpoint: Some(self.endpoint()),
            access_key: Some(AccessKey { id, secret, session_token: None }),
        }
    }

    /// Freezes it: connections hang.
    pub fn freeze(&mut self) {
        self.keeper.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.keeper.signal("CONT");
    }

    fn healthy(&self) -> bool {
        is_fine(&ask(self.port, "/_ministack/health"))
    }
}

/// As a part of an address.
fn quoted(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
