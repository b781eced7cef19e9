use std::{ops::Deref, path::Path};

use crate::Emulator;

/// Where `tools/aws-templates` puts it.
const PROGRAM: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/aws-templates/aws/bin/moto_server");

/// An emulator whose groups start instances, which register with load balancers.
#[derive(Debug)]
pub struct Moto(Emulator);

impl Moto {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// It is not installed, or it does not start.
    #[must_use]
    pub fn start() -> Moto {
        assert!(Path::new(PROGRAM).exists(), "no moto: run tools/aws-templates");
        Moto(Emulator::start("moto", "/moto-api/", |_, port| {
            [PROGRAM, "-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).into()
        }))
    }
}

impl Deref for Moto {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        &self.0
    }
}
