use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

use reelfleet_aws::{AccessKey, AwsConfig};

use crate::{free_port, keeper::Keeper, pause};

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
        let until = Instant::now() + START;
        while !ministack.healthy() {
            assert!(Instant::now() < until, "it did not start: {}", ministack.keeper.log());
            pause();
        }
        ministack
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
        let asked = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET /_ministack/health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        asked().is_ok_and(|answer| answer.lines().next().is_some_and(|line| line.contains("200")))
    }
}
