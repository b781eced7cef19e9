use std::{
    ops::{Deref, DerefMut},
    path::Path,
};

use crate::{
    Emulator,
    answer::{ask, is_fine},
};

/// Where `tools/aws-emulator` puts it.
const PROGRAM: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/ministack-1.5.33/bin/ministack");

/// An emulator of SQS, S3 and others.
#[derive(Debug)]
pub struct Ministack(Emulator);

impl Ministack {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// It is not installed, or it does not start.
    #[must_use]
    pub fn start() -> Ministack {
        assert!(Path::new(PROGRAM).exists(), "no AWS emulator: run tools/aws-emulator");
        Ministack(Emulator::start("ministack", "/_ministack/health", |folder, port| {
            vec![
                "env".to_owned(),
                "BIND_HOST=127.0.0.1".to_owned(),
                format!("GATEWAY_PORT={port}"),
                format!("HOME={}", folder.display()),
                PROGRAM.to_owned(),
            ]
        }))
    }

    /// Makes a queue.
    ///
    /// # Panics
    ///
    /// It refuses.
    pub fn create_queue(&self, name: &str) {
        let answer = ask(self.port(), &format!("/?Action=CreateQueue&QueueName={name}"));
        assert!(is_fine(&answer), "{name}: {answer:?}");
    }

    /// Puts a message on a queue, whatever it says.
    ///
    /// # Panics
    ///
    /// It refuses.
    pub fn send(&self, queue: &str, body: &str) {
        let url = quoted(&self.queue_url(queue));
        let body = quoted(body);
        let answer =
            ask(self.port(), &format!("/?Action=SendMessage&QueueUrl={url}&MessageBody={body}"));
        assert!(is_fine(&answer), "{queue}: {answer:?}");
    }
}

impl Deref for Ministack {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        &self.0
    }
}

impl DerefMut for Ministack {
    fn deref_mut(&mut self) -> &mut Emulator {
        &mut self.0
    }
}

/// As a part of an address.
fn quoted(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
