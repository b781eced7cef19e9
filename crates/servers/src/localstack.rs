use std::{io::Write as _, ops::Deref, path::Path};

use crate::Emulator;

/// Where `tools/aws-alarms` puts it.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/localstack-4.14.0");

/// What is used of it. Each is loaded when it is asked for first.
const SERVICES: &str = "cloudformation,cloudwatch,logs,sns,sqs,ssm,sts";

const NOT_TESTED: &str = "\n!!! NOT TESTED, as there is no Python 3.13 for the emulator: ";

/// An emulator of which alarms go by what is measured, and which moves dead letters.
#[derive(Debug)]
pub struct Localstack(Emulator);

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
        let whole = Path::new(FOLDER).join("whole").exists();
        assert!(whole, "no emulator with alarms: run tools/aws-alarms");
        Some(Localstack(Emulator::start("localstack", "/_localstack/health", command_line)))
    }
}

fn command_line(folder: &Path, port: u16) -> Vec<String> {
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
    let python = format!("{FOLDER}/bin/python");
    let run = [python, "-m".to_owned(), "localstack.runtime.main".to_owned()];
    ["env".to_owned(), "-i".to_owned()].into_iter().chain(settings).chain(run).collect()
}

impl Deref for Localstack {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        &self.0
    }
}
