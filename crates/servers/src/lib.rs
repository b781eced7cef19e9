//! Real servers and small disks for the tests, gone with the test's process.
//!
//! ```text
//! test ──pipe──► sh ──► server    the pipe closes however the test ends: sh stops the server by
//!                                 its pid and removes its folder
//! ```
//!
//! A server listens on loopback only, on a free port. A test that finds no
//! server fails and says which Debian package has it: nothing is skipped, but for what [`Localstack`]
//! alone can do where there is no Python that runs it, and that is said.
//!
//! ```no_run
//! let server = reelfleet_servers::Postgres::start();
//! println!("{}", server.create("videos"));
//! ```

use std::hash::{BuildHasher as _, RandomState};

mod answer;
mod emulator;
mod garbage;
pub mod group;
mod keeper;
mod localstack;
mod ministack;
mod moto;
mod next_release;
mod postgres;
mod rabbitmq;
mod redis;
mod small_disk;

pub use emulator::Emulator;
pub use garbage::Garbage;
pub use group::Group;
pub use localstack::Localstack;
pub use ministack::Ministack;
pub use moto::Moto;
pub use next_release::NextRelease;
pub use postgres::Postgres;
pub use rabbitmq::RabbitMq;
pub use redis::Redis;
pub use small_disk::SmallDisk;

/// Ports from here on, so many of them, that Linux gives to nobody who connects somewhere
/// (`ip_local_port_range` begins at 32768): a server that takes seconds to start finds its port free.
const FIRST_PORT: u16 = 12_000;
const PORTS: u16 = 20_000;

/// A port that nobody listens on. Another program may take it before the
/// server does; then the server does not start, and the test says so.
///
/// # Panics
///
/// There is none.
#[must_use]
pub fn free_port() -> u16 {
    // Each has keys of its own, and so begins to look elsewhere.
    let random = RandomState::new().hash_one(std::process::id());
    let begin = u16::try_from(random % u64::from(PORTS)).unwrap_or_default();
    (0..PORTS)
        .map(|nth| FIRST_PORT + (begin + nth) % PORTS)
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// Between two looks at a server that is about to be there.
fn pause() {
    #[expect(clippy::disallowed_methods, reason = "nothing tells when a server is there")]
    std::thread::sleep(std::time::Duration::from_millis(50));
}
