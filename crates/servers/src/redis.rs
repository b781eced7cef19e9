use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{
    free_port,
    keeper::{Keeper, command, run},
    pause,
};

/// Where Debian has it.
const PROGRAM: &str = "/usr/bin/redis-server";

/// It starts in a few milliseconds on an idle machine; a large file takes longer to read.
const START: Duration = Duration::from_secs(60);

/// A Redis server of its own.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    keeper: Mutex<Keeper>,
}

impl Redis {
    /// Starts one that keeps what it has confirmed, also when it is killed.
    ///
    /// # Panics
    ///
    /// It is not installed, or it does not start.
    #[must_use]
    pub fn start() -> Redis {
        Redis::start_with(&[])
    }

    /// Starts one with further settings, as pairs of name and value.
    ///
    /// # Panics
    ///
    /// It is not installed, or it does not start.
    #[must_use]
    pub fn start_with(settings: &[(&str, &str)]) -> Redis {
        assert!(Path::new(PROGRAM).exists(), "no Redis: apt-get install redis-server");
        let folder = tempfile::Builder::new().prefix("reelfleet-redis-").tempdir();
        let folder = folder.expect("a temporary folder").keep();
        let port = free_port();
        let (at, data) = (port.to_string(), folder.display().to_string());
        let fixed = [
            ("port", at.as_str()),
            ("bind", "127.0.0.1"),
            ("dir", data.as_str()),
            ("save", ""),
            ("appendonly", "yes"),
            // With `everysec` it confirms what it has not written yet while its disk is busy.
            ("appendfsync", "always"),
            ("databases", "256"),
        ];
        let words = |(name, value): &(&str, &str)| [format!("--{name}"), (*value).to_owned()];
        let server: Vec<String> = [PROGRAM.to_owned()]
            .into_iter()
            .chain(fixed.iter().chain(settings).flat_map(words))
            .collect();
        let redis = Redis { port, keeper: Mutex::new(Keeper::start(folder, &server)) };
        redis.wait();
        redis
    }

    /// The URL of one of its 256 databases.
    #[must_use]
    pub fn url(&self, database: u8) -> String {
        format!("redis://127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a command on its first database, beside the program that is tested.
    ///
    /// # Panics
    ///
    /// It is refused.
    pub fn run(&self, words: &[&str]) {
        run(command("redis-cli").args(["-e", "-p", &self.port.to_string()]).args(words));
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it without a word to anybody.
    ///
    /// # Panics
    ///
    /// It was ended before.
    pub fn kill(&self) {
        self.keeper().signal("KILL");
    }

    /// Starts it again, and waits until it has read its data.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub fn restart(&self) {
        self.keeper().again();
        self.wait();
    }

    /// Freezes it: connections hang.
    pub fn freeze(&self) {
        self.keeper().signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.keeper().signal("CONT");
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, Keeper> {
        self.keeper.lock().expect("no test panics in here")
    }

    fn wait(&self) {
        let until = Instant::now() + START;
        while !self.answers() {
            assert!(Instant::now() < until, "Redis did not start: {}", self.keeper().log());
            pause();
        }
    }

    /// Whether it answers, if only by asking for a password; not while it reads its data.
    fn answers(&self) -> bool {
        let asked = || -> std::io::Result<[u8; 7]> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; 7];
            stream.read_exact(&mut answer)?;
            Ok(answer)
        };
        asked().is_ok_and(|answer| &answer == b"+PONG\r\n" || answer.starts_with(b"-NOAUTH"))
    }
}
