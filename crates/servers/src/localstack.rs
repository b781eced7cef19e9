use std::{
    io::Write as _,
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

/// It starts in two seconds on an idle machine, the first time after its installation in five.
const START: Duration = Duration::from_secs(120);

/// Where `tools/aws-alarms` puts it.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/localstack-4.14.0");

/// What is used of it. Each is loaded when it is asked for first.
const SERVICES: &str = "cloudformation,cloudwatch,logs,sns,sqs,ssm,sts";

const NOT_TESTED: &str = "\n!!! NOT TESTED, as there is no Python 3.13 for the emulator: ";

/// An emulator of which alarms go by what is measured, and which moves dead letters. It forgets
/// everything when it ends.
#[derive(Debug)]
pub struct Localstack {
    port: u16,
    keeper: Keeper,
}

impl Localstack {
    /// Starts one. None on a machine without the Python that it needs: then `what` is said not to
    /// be tested, so that whoever reads the tests' output knows.
    ///
    /// # Panics
    ///
    /// It is not installed, or it does not start.
    #[must_use]
    pub fn start(what: &str) -> Option<Localstack> {
        if Path::new(FOLDER).join("no-python").exists() {
            // Not by a macro, whose words the test runner keeps to itself.
            let _ = std::io::stderr().write_all(format!("{NOT_TESTED}{what} !!!\n").as_bytes());
            return None;
        }
        let python = format!("{FOLDER}/bin/python");
        let whole = Path::new(FOLDER).join("whole").exists();
        assert!(whole, "no emulator with alarms: run tools/aws-alarms");
        let folder = tempfile::Builder::new().prefix("reelfleet-localstack-").tempdir();
        let folder = folder.expect("a temporary folder").keep();
        let port = free_port();
        let home = folder.display();
        let settings = [
            "PATH=/usr/bin:/bin".to_owned(),
            format!("HOME={home}"),
            format!("TMPDIR={home}"),
            format!("FILESYSTEM_ROOT={home}"),
            format!("GATEWAY_LISTEN=127.0.0.1:{port}"),
            format!("SERVICES={SERVICES}"),
            // Nothing of it goes out: no word to its makers, no certificate, no names.
            "DISABLE_EVENTS=1".to_owned(),
            "SKIP_SSL_CERT_DOWNLOAD=1".to_owned(),
            "DNS_ADDRESS=0".to_owned(),
            // Seconds. It is once a minute on AWS.
            "SQS_CLOUDWATCH_METRICS_REPORT_INTERVAL=5".to_owned(),
            "CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES=1".to_owned(),
        ];
        let run = [python, "-m".to_owned(), "localstack.runtime.main".to_owned()];
        let server: Vec<_> =
            ["env".to_owned(), "-i".to_owned()].into_iter().chain(settings).chain(run).collect();
        let localstack = Localstack { port, keeper: Keeper::start(folder, &server) };
        let until = Instant::now() + START;
        while !is_fine(&ask(port, "/_localstack/health")) {
            let keeper = &localstack.keeper;
            assert!(Instant::now() < until, "it did not start: {}", keeper.log());
            pause();
        }
        Some(localstack)
    }

    /// What `AWS_ENDPOINT_URL` is to be.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How it is reached. It takes any key.
    #[must_use]
    pub fn aws(&self) -> AwsConfig {
        let (id, secret) = ("test".into(), "test".into());
        AwsConfig {
            region: Some("us-east-1".to_owned()),
            endpoint: Some(self.endpoint()),
            access_key: Some(AccessKey { id, secret, session_token: None }),
        }
    }
}
