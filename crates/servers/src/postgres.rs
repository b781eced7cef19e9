use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{
    free_port,
    keeper::{Keeper, command, run},
    pause,
};

/// Where Debian has the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Initial start and recovery after a kill take a second or two on an idle machine.
const START: Duration = Duration::from_secs(60);

/// A Postgres server of its own, which trusts everybody on loopback.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    port: u16,
    keeper: Mutex<Keeper>,
}

impl Postgres {
    /// Makes a cluster and starts a server on it, with the settings that users have.
    ///
    /// # Panics
    ///
    /// There is no Postgres, or it does not start.
    #[must_use]
    pub fn start() -> Postgres {
        Postgres::launch(None)
    }

    /// The same, and nobody gets in without TLS. The certificate and its key are in PEM.
    ///
    /// # Panics
    ///
    /// There is no Postgres, or it does not start.
    #[must_use]
    pub fn with_tls(certificate: &str, key: &str) -> Postgres {
        Postgres::launch(Some((certificate, key)))
    }

    fn launch(tls: Option<(&str, &str)>) -> Postgres {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("reelfleet-postgres-").tempdir();
        let folder = folder.expect("a temporary folder").keep();
        let data = folder.join("data");
        // Postgres refuses to run as root.
        let user = rustix::process::geteuid().is_root().then(|| owner(&folder));
        let words = |program: &str, args: &[&str]| -> Vec<String> {
            let switch = user.map(|(user, group)| {
                [
                    "setpriv".to_owned(),
                    format!("--reuid={user}"),
                    format!("--regid={group}"),
                    "--clear-groups".to_owned(),
                ]
            });
            let program = programs.join(program).display().to_string();
            let args = args.iter().map(|arg| (*arg).to_owned());
            switch.into_iter().flatten().chain([program]).chain(args).collect()
        };
        let at = data.display().to_string();
        let init = ["-D", &at, "-U", "reelfleet", "-A", "trust", "--no-sync", "-E", "UTF8"];
        let init = words("initdb", &[&init[..], &["--locale=C"]].concat());
        run(command(&init[0]).args(&init[1..]).current_dir(&folder));
        if let Some((certificate, key)) = tls {
            let rules = "hostssl all all 127.0.0.1/32 trust\n";
            let files = [("server.crt", certificate), ("server.key", key), ("pg_hba.conf", rules)];
            for (name, text) in files {
                keep_secret(&data.join(name), text, user);
            }
        }
        let port = free_port();
        let settings = [
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=200",
            "-c",
            if tls.is_some() { "ssl=on" } else { "ssl=off" },
        ];
        let server =
            words("postgres", &[&["-D", &at, "-p", &port.to_string()], &settings[..]].concat());
        let keeper = Keeper::start(folder, &server);
        let postgres = Postgres { programs, port, keeper: Mutex::new(keeper) };
        postgres.wait();
        postgres
    }

    /// Makes a database; its URL.
    ///
    /// # Panics
    ///
    /// It is there already.
    #[must_use]
    pub fn create(&self, database: &str) -> String {
        run(self.client("createdb").args(["-U", "reelfleet", database]));
        format!("postgres://reelfleet@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs statements on a database, beside the program that is tested.
    ///
    /// # Panics
    ///
    /// One is refused.
    pub fn run(&self, database: &str, statements: &str) {
        let quietly = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "reelfleet", "-d", database];
        run(self.client("psql").args(quietly).args(["-c", statements]));
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a power cut would: without a word to anybody.
    ///
    /// # Panics
    ///
    /// It was ended before.
    pub fn kill(&self) {
        self.keeper().signal("KILL");
    }

    /// Stops its processes where they are: it keeps its connections and takes new ones, and
    /// answers nobody.
    ///
    /// # Panics
    ///
    /// It was ended before.
    pub fn freeze(&self) {
        self.keeper().signal("STOP");
    }

    /// Lets it go on.
    ///
    /// # Panics
    ///
    /// It was ended before.
    pub fn thaw(&self) {
        self.keeper().signal("CONT");
    }

    /// Starts it again, and waits until it has recovered.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub fn restart(&self) {
        // The postmaster's children notice that it is gone within moments; until then they hold
        // the memory that the next one needs, and it refuses to start.
        let until = Instant::now() + START;
        loop {
            self.keeper().again();
            if self.answers_within(Duration::from_secs(5)) {
                return;
            }
            assert!(Instant::now() < until, "Postgres did not recover: {}", self.keeper().log());
        }
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, Keeper> {
        self.keeper.lock().expect("no test panics in here")
    }

    fn client(&self, program: &str) -> std::process::Command {
        let mut command = command(self.programs.join(program));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command
    }

    fn wait(&self) {
        assert!(self.answers_within(START), "Postgres did not start: {}", self.keeper().log());
    }

    fn answers_within(&self, bound: Duration) -> bool {
        let until = Instant::now() + bound;
        while Instant::now() < until {
            let ready = self.client("pg_isready").stdout(Stdio::null()).status();
            if ready.is_ok_and(|status| status.success()) {
                return true;
            }
            pause();
        }
        false
    }
}

/// The newest version's programs.
fn programs() -> PathBuf {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().filter_map(Result::ok);
    let folders = versions.map(|entry| entry.path().join("bin"));
    folders
        .filter(|bin| bin.join("initdb").exists())
        .max_by_key(|bin| version(bin))
        .unwrap_or_else(|| panic!("no Postgres in {DEBIAN}: apt-get install postgresql"))
}

fn version(bin: &Path) -> Option<u32> {
    bin.parent()?.file_name()?.to_str()?.parse().ok()
}

/// Postgres refuses a key that others could read.
fn keep_secret(file: &Path, text: &str, user: Option<(u32, u32)>) {
    fs::write(file, text).expect("a file of the server");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("chmod");
    if let Some((user, group)) = user {
        std::os::unix::fs::chown(file, Some(user), Some(group)).expect("chown");
    }
}

/// Gives the folder to Debian's user of the server; its user and group.
fn owner(folder: &Path) -> (u32, u32) {
    let number = |option: &str| -> u32 {
        let output = command("id").args([option, "postgres"]).output().expect("id");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a user `postgres`")
    };
    let (user, group) = (number("-u"), number("-g"));
    std::os::unix::fs::chown(folder, Some(user), Some(group)).expect("chown");
    (user, group)
}
