//! A fleet as it is deployed: a process for each role, told by its environment.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use reelfleet_servers::Ministack;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Client, Role,
    fleet::{PATIENCE, command, files_below},
    settings, wait_for,
};

const EMAIL: &str = "operator@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// A lease short enough to be waited for.
pub const LEASE: Duration = Duration::from_secs(3);

/// An API with an operator, and whichever workers a test starts. Dropping it leaves nothing.
#[derive(Debug)]
pub struct Deployed {
    /// The operator's way to the API.
    pub client: Client,
    settings: Settings,
    _api: Role,
    folder: TempDir,
}

/// What every process is told.
#[derive(Debug, Clone, Default)]
struct Settings(Vec<(String, String)>);

impl Settings {
    fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    fn with(mut self, more: &[(&str, &str)]) -> Self {
        for (name, value) in more {
            self.set(name, value);
        }
        self
    }
}

/// Makes the queues of a fleet, whose names begin with `base`.
pub fn create_queues(sqs: &Ministack, base: &str) {
    for kind in ["transcode", "noop"] {
        for priority in ["high", "normal", "low"] {
            sqs.create_queue(&format!("{base}-{kind}-{priority}"));
        }
    }
    sqs.create_queue(&format!("{base}-dead"));
}

impl Deployed {
    /// Migrates, makes an operator, starts the API, and signs in. What is not set is on SQLite and
    /// local disk.
    ///
    /// # Panics
    ///
    /// It does not come up.
    #[must_use]
    pub fn start(more: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("reelfleet-deployed-").tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("{error}"));
        let at = folder.path().display();
        let address = format!("127.0.0.1:{}", reelfleet_servers::free_port());
        let settings = Settings::default().with(&[
            ("DATABASE_URL", &format!("sqlite:{at}/reelfleet.db")),
            ("STORAGE_DIR", &format!("{at}/blobs")),
            ("JWT_SECRET", &format!("{0}{0}", uuid::Uuid::new_v4().simple())),
            ("LISTEN_ADDR", &address),
            ("LEASE_SECONDS", &LEASE.as_secs().to_string()),
            ("WORKER_CONCURRENCY", "1"),
            ("QUOTA_UNFINISHED_VIDEOS", "100000"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
        ]);
        let settings = settings.with(more);
        told(&["migrate"], &settings.0, "");
        make_operator(&settings.0);
        let log = folder.path().join("api.log");
        let api = Role::start(&mut Role::command("api", &settings.0, &log));
        let client = signed_in(&address);
        Self { client, settings, _api: api, folder }
    }

    /// Starts another API; an operator's way to it.
    #[must_use]
    pub fn another_api(&self) -> (Role, Client) {
        let address = format!("127.0.0.1:{}", reelfleet_servers::free_port());
        let settings = self.settings.clone().with(&[("LISTEN_ADDR", &address)]);
        let log = self.log_of("another-api");
        let api = Role::start(&mut Role::command("api", &settings.0, &log));
        (api, signed_in(&address))
    }

    /// Starts a worker, with settings of its own.
    #[must_use]
    pub fn worker(&self, name: &str, more: &[(&str, &str)]) -> Role {
        let settings = self.worker_settings(name, more);
        Role::start(&mut Role::command("worker", &settings, &self.log_of(name)))
    }

    /// What a worker is told.
    #[must_use]
    pub fn worker_settings(&self, name: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let work = self.folder.path().join("work").join(name).display().to_string();
        self.settings.clone().with(&[("WORK_DIR", &work)]).with(more).0
    }

    /// Where a process writes what it says.
    #[must_use]
    pub fn log_of(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// What every process is told.
    ///
    /// # Panics
    ///
    /// It is told no such thing.
    #[must_use]
    pub fn setting(&self, name: &str) -> &str {
        let mut settings = self.settings.0.iter();
        let found = settings.find(|(of, _)| of == name);
        found.map_or_else(|| panic!("{name} is not set"), |(_, value)| value)
    }

    /// The folder that everything of this fleet is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until a worker takes jobs.
    pub fn wait_ready(&self, worker: &Role) {
        wait_for("a worker to take jobs", PATIENCE, || {
            let workers = self.get("/api/admin/workers");
            let workers = workers["workers"].as_array()?;
            workers.iter().any(|seen| seen["id"] == worker.id.as_str()).then_some(())
        });
    }

    /// Uploads for the profile `web`; the id of the video.
    ///
    /// # Panics
    ///
    /// It is not accepted.
    #[must_use]
    pub fn submit(&self, file: &Path) -> String {
        let answer = self.client.upload(file, "profile=web");
        let answer = answer.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(answer.status, 202, "{} {}", answer.json, file.display());
        answer.json["id"].as_str().unwrap_or_default().to_owned()
    }

    /// What the API says.
    ///
    /// # Panics
    ///
    /// Nobody answers.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        self.client.call("GET", path).unwrap_or_else(|error| panic!("{error}")).json
    }

    /// The video as it is now.
    #[must_use]
    pub fn video(&self, id: &str) -> Value {
        self.get(&format!("/api/videos/{id}"))
    }

    /// The job of a video.
    #[must_use]
    pub fn job(&self, video: &str) -> Value {
        let job = self.video(video)["job"].as_str().unwrap_or_default().to_owned();
        self.get(&format!("/api/jobs/{job}"))
    }

    /// Waits until nothing more happens to a video by itself.
    #[must_use]
    pub fn wait_final(&self, id: &str) -> Value {
        wait_for(&format!("video {id} to end"), PATIENCE, || {
            let seen = self.video(id);
            let ends = ["ready", "failed", "cancelled"];
            ends.contains(&seen["status"].as_str().unwrap_or_default()).then_some(seen)
        })
    }
}

/// Makes the operator of a fleet.
pub fn make_operator(settings: &[(String, String)]) {
    told(&["account", EMAIL, "--operator", "--password-stdin"], settings, PASSWORD);
}

/// Waits until the API answers the operator; the token.
#[must_use]
pub fn sign_in(client: &Client) -> String {
    wait_for("somebody to sign in", PATIENCE, || {
        let who = json!({"email": EMAIL, "password": PASSWORD});
        let answer = client.json("POST", "/api/auth/login", &who).ok()?;
        Some(answer.json["access_token"].as_str()?.to_owned())
    })
}

/// An operator's way to the API at an address, once that is there.
fn signed_in(address: &str) -> Client {
    let mut client = Client::new(&format!("http://{address}"), "");
    client.token = sign_in(&client);
    client
}

/// Who fails sees the end of every log.
impl Drop for Deployed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = std::io::stderr().write_all(ends_of_logs(self.folder.path()).as_bytes());
        }
    }
}

/// The end of every log below a folder, for who looks at a failure.
#[must_use]
pub fn ends_of_logs(folder: &Path) -> String {
    let end = |log: PathBuf| {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let end = &lines[lines.len().saturating_sub(30)..];
        format!("--- {}\n{}\n", log.display(), end.join("\n"))
    };
    let logs = files_below(folder).into_iter();
    logs.filter(|file| file.extension().is_some_and(|end| end == "log")).map(end).collect()
}

/// Runs `reelfleet` to its end, with a line of input.
///
/// # Panics
///
/// It fails, or a setting is none.
pub fn told(words: &[&str], settings: &[(String, String)], input: &str) {
    settings::check(settings.iter().map(|(name, _)| &**name));
    let child = command()
        .args(words)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{error}"));
    if let Some(mut line) = child.stdin.take() {
        // One that asks for nothing may have ended already.
        let _ = writeln!(line, "{input}");
    }
    let status = child.wait().unwrap_or_else(|error| panic!("{error}"));
    assert!(status.success(), "{words:?}: {status}");
}
