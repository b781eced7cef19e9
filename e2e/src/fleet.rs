use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Client, processes, settings, wait_for};

/// Generous, for machines that are busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// A fleet in a folder of its own. Dropping it leaves no process and no file.
#[derive(Debug)]
pub struct Fleet {
    folder: TempDir,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    up: Option<Child>,
    client: Client,
}

/// The executable under test: built into the same folder as this test.
///
/// # Panics
///
/// It was not built.
#[must_use]
pub fn executable() -> PathBuf {
    let mut path = std::env::current_exe().unwrap_or_default();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.push("reelfleet");
    assert!(path.exists(), "{} is missing: `cargo build -p reelfleet` first", path.display());
    path
}

/// The executable under test, without the settings of who runs the tests.
///
/// # Panics
///
/// It was not built.
#[must_use]
pub fn command() -> Command {
    #[expect(clippy::disallowed_methods, reason = "these tests are about processes")]
    let mut command = Command::new("env");
    // A shell without job control has what it runs beside itself ignore SIGINT and SIGQUIT. This
    // becomes the executable: there is no process more.
    command.arg("--default-signal").arg(executable());
    // Settings of the person who runs the tests must not reach what is tested.
    for name in settings::all() {
        command.env_remove(name);
    }
    command
}

/// Runs `reelfleet` to its end.
///
/// # Panics
///
/// It cannot be started, or a setting is none.
pub fn reelfleet(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    settings::check(environment.iter().map(|(name, _)| *name));
    command()
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("reelfleet cannot be started: {error}"))
}

impl Fleet {
    /// Starts a fleet and waits until it is ready.
    #[must_use]
    pub fn start(options: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        Self::start_in(folder, options, environment)
    }

    /// Starts a fleet below a given folder (of a small disk, say).
    ///
    /// # Panics
    ///
    /// It does not come up, or a setting is none.
    #[must_use]
    pub fn start_in(folder: TempDir, options: &[&str], environment: &[(&str, &str)]) -> Self {
        settings::check(environment.iter().map(|(name, _)| *name));
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut fleet = Self {
            folder,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            environment: environment.iter().map(own).collect(),
            up: None,
            client: Client::new("", ""),
        };
        fleet.up_again();
        fleet
    }

    /// Starts it once more on the same data.
    ///
    /// # Panics
    ///
    /// It does not come up.
    pub fn up_again(&mut self) {
        let log = |name| {
            fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.folder.path().join(name))
                .unwrap_or_else(|error| panic!("{error}"))
        };
        let _ = fs::remove_file(self.data().join("fleet.json"));
        let child = command()
            .args(["up", "--listen", "127.0.0.1:0", "--data"])
            .arg(self.data())
            .args(&self.options)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log("stdout.log"))
            .stderr(log("stderr.log"))
            .spawn()
            .unwrap_or_else(|error| panic!("reelfleet cannot be started: {error}"));
        self.up = Some(child);
        let word = self.data().join("fleet.json");
        let word: Value = wait_for("the fleet's address", PATIENCE, || {
            if let Some(Ok(Some(status))) = self.up.as_mut().map(Child::try_wait) {
                panic!("reelfleet up ended with {status}:\n{}", self.log());
            }
            serde_json::from_slice(&fs::read(&word).ok()?).ok()
        });
        let text = |name: &str| word[name].as_str().unwrap_or_default().to_owned();
        self.client = Client::new(&text("url"), &text("token"));
        wait_for("the fleet to be ready", PATIENCE, || {
            self.client.call("GET", "/ready").ok().filter(|answer| answer.status == 200)
        });
    }

    /// The operator's way to the API.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The folder that everything of this fleet is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        ["stdout.log", "stderr.log"]
            .iter()
            .map(|name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default())
            .collect()
    }

    /// Process id of `up`.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.up.as_ref().map_or(0, |child| child.id().cast_signed())
    }

    /// Runs a client command against this fleet.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        let data = self.data().display().to_string();
        reelfleet(arguments, &[("REELFLEET_DATA", &data)])
    }

    /// Uploads a file; the id of the video.
    ///
    /// # Panics
    ///
    /// It is not accepted.
    #[must_use]
    pub fn submit(&self, file: &Path, profile: &str) -> String {
        let answer = self
            .client
            .upload(file, &format!("profile={profile}"))
            .unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        assert_eq!(answer.status, 202, "{} {}", answer.json, file.display());
        answer.json["id"].as_str().unwrap_or_default().to_owned()
    }

    /// The video as it is now.
    ///
    /// # Panics
    ///
    /// Nobody answers.
    #[must_use]
    pub fn video(&self, id: &str) -> Value {
        self.client
            .call("GET", &format!("/api/videos/{id}"))
            .unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
            .json
    }

    /// Waits until a video is in a status.
    #[must_use]
    pub fn wait_status(&self, id: &str, statuses: &[&str]) -> Value {
        wait_for(&format!("video {id} to be {statuses:?}"), PATIENCE, || {
            let video = self.video(id);
            statuses.contains(&video["status"].as_str().unwrap_or_default()).then_some(video)
        })
    }

    /// Waits until nothing more happens to a video by itself.
    #[must_use]
    pub fn wait_final(&self, id: &str) -> Value {
        self.wait_status(id, &["ready", "failed", "cancelled"])
    }

    /// Sends `up` a signal.
    pub fn signal(&self, signal: Signal) {
        processes::signal(self.pid(), signal);
    }

    /// Waits until `up` has ended; its exit code.
    ///
    /// # Panics
    ///
    /// It does not end.
    pub fn wait_end(&mut self, at_most: Duration) -> Option<i32> {
        let up = self.up.as_mut().unwrap_or_else(|| panic!("it was not started"));
        let status = wait_for("reelfleet up to end", at_most, || up.try_wait().ok().flatten());
        self.up = None;
        status.code()
    }

    /// `kill -9` of everything at once.
    pub fn kill_all(&mut self) {
        let workers = self.workers();
        self.signal(Signal::KILL);
        for pid in workers {
            processes::signal(pid, Signal::KILL);
        }
        if let Some(mut up) = self.up.take() {
            let _ = up.wait();
        }
    }

    /// Files that only unfinished work has a use for.
    #[must_use]
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let mut found = files_below(&self.data().join("work"));
        found.extend(files_below(&self.data().join("blobs/tmp")));
        found
    }

    /// Folders of outputs, one for each job and epoch that stored any.
    #[must_use]
    pub fn output_folders(&self) -> Vec<PathBuf> {
        let outputs = self.data().join("blobs/outputs");
        let below = |path: &Path| -> Vec<PathBuf> {
            fs::read_dir(path)
                .map_or_else(|_| Vec::new(), |d| d.flatten().map(|e| e.path()).collect())
        };
        below(&outputs).iter().flat_map(|job| below(job)).collect()
    }
}

/// Every file below a folder.
#[must_use]
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.kill_all();
        // They die with their workers. If they did not, a test fails, and it must not leave them.
        for process in self.ffmpegs() {
            processes::signal(process.pid, Signal::KILL);
        }
        if std::thread::panicking() {
            let mut shown = self.log();
            let cut = shown.len().saturating_sub(6000);
            shown = shown.chars().skip(cut).collect();
            let _ = std::io::Write::write_all(&mut std::io::stderr(), shown.as_bytes());
        }
    }
}
