//! What workers of a group work for: a database, a queue, an API, and the group. Whatever goes wrong
//! here panics: no test can go on.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use reelfleet_servers::{Group, Ministack, Postgres};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Client, clips, command, files_below, playable, processes, wait_for,
    worker::{self, Worker},
};

const EMAIL: &str = "operator@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// A lease short enough to be waited for.
pub const LEASE: Duration = Duration::from_secs(3);

/// For everything to end, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(300);

/// What carries the messages, and where the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// The database, which is a file.
    Sqlite,
    /// The database, which is a server.
    Postgres,
    /// SQS, with the rows in Postgres.
    Sqs,
}

/// All of it, for as long as it is not dropped.
#[derive(Debug)]
pub struct Stage {
    /// What carries the messages.
    pub queue: Queue,
    /// An operator.
    pub client: Client,
    /// The group that workers join when they start.
    pub group: Group,
    /// The database, unless it is a file.
    pub postgres: Option<Postgres>,
    /// The emulator that has the queues, if they are of SQS.
    pub sqs: Option<Ministack>,
    settings: Vec<(String, String)>,
    _api: Api,
    folder: TempDir,
}

#[derive(Debug)]
struct Api(Child);

impl Drop for Api {
    fn drop(&mut self) {
        processes::signal(self.0.id().cast_signed(), Signal::KILL);
        let _ = self.0.wait();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for file in files_below(self.folder.path()) {
                if file.extension().is_some_and(|end| end == "log") {
                    let text = fs::read_to_string(&file).unwrap_or_default();
                    let cut = text.len().saturating_sub(4000);
                    println!("--- {}\n{}", file.display(), text.get(cut..).unwrap_or(&text));
                }
            }
        }
    }
}

impl Stage {
    /// With an API that answers, and no worker.
    pub fn set(queue: Queue) -> Self {
        Self::set_with(queue, &[])
    }

    /// With settings for every process.
    pub fn set_with(queue: Queue, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("reelfleet-stage-").tempdir().unwrap();
        let at = folder.path().display().to_string();
        let port = reelfleet_servers::free_port();
        let secret = format!("{0}{0}", uuid::Uuid::new_v4().simple());
        let postgres = (queue != Queue::Sqlite).then(Postgres::start);
        let url = postgres.as_ref().map(|postgres| postgres.create("fleet"));
        let url = url.unwrap_or_else(|| format!("sqlite:{at}/reelfleet.db"));
        let mut settings: Vec<(String, String)> = Vec::new();
        let mut set = |name: &str, value: &str| settings.push((name.into(), value.into()));
        set("DATABASE_URL", &url);
        set("STORAGE_DIR", &format!("{at}/blobs"));
        set("JWT_SECRET", &secret);
        set("LISTEN_ADDR", &format!("127.0.0.1:{port}"));
        set("LEASE_SECONDS", &LEASE.as_secs().to_string());
        set("WORKER_CONCURRENCY", "1");
        set("QUOTA_UNFINISHED_VIDEOS", "100000");
        set("AWS_ACCESS_KEY_ID", "test");
        set("AWS_SECRET_ACCESS_KEY", "test");
        set("AWS_REGION", "us-east-1");
        let sqs = (queue == Queue::Sqs).then(Ministack::start);
        if let Some(sqs) = &sqs {
            for lane in lanes() {
                sqs.create_queue(&format!("fleet-{lane}"));
            }
            set("QUEUE_TYPE", "sqs");
            set("SQS_REGION", "us-east-1");
            set("SQS_QUEUE_URL", &format!("{}/000000000000/fleet", sqs.endpoint()));
            set("AWS_ENDPOINT_URL", &sqs.endpoint());
        }
        for (name, value) in more {
            set(name, value);
        }
        run(&["migrate"], &settings, "");
        run(&["account", EMAIL, "--operator", "--password-stdin"], &settings, PASSWORD);
        let log = fs::File::create(folder.path().join("api.log")).unwrap();
        let api = command()
            .arg("api")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let api = Api(api);
        let mut client = Client::new(&format!("http://127.0.0.1:{port}"), "");
        client.token = wait_for("somebody to sign in", Duration::from_secs(60), || {
            let who = json!({"email": EMAIL, "password": PASSWORD});
            let answer = client.json("POST", "/api/auth/login", &who).ok()?;
            Some(answer.json["access_token"].as_str()?.to_owned())
        });
        let group = Group::start();
        Self { queue, client, group, postgres, sqs, settings, _api: api, folder }
    }

    /// Starts a worker on an instance of the group, with settings of its own.
    pub fn worker(&self, instance: &str, more: &[(&str, &str)]) -> Worker {
        let metadata = self.group.instance(instance);
        let mut settings = self.settings.clone();
        let mut set = |name: &str, value: &str| settings.push((name.into(), value.into()));
        set("WORK_DIR", &self.folder.path().join("work").join(instance).display().to_string());
        set("AUTO_SCALING_GROUP", self.group.name());
        set("LIFECYCLE_HOOK", self.group.hook());
        set("AWS_ENDPOINT_URL_AUTO_SCALING", self.group.endpoint());
        set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata);
        for (name, value) in more {
            set(name, value);
        }
        Worker::start(instance, &settings, self.folder.path().join(format!("{instance}.log")))
    }

    /// Waits until a worker takes jobs.
    pub fn wait_ready(&self, worker: &Worker) {
        wait_for("a worker to take jobs", PATIENCE, || {
            let workers = self.get("/api/admin/workers");
            let workers = workers["workers"].as_array()?;
            workers.iter().any(|seen| seen["id"] == worker.id.as_str()).then_some(())
        });
    }

    /// What every process is told.
    pub fn setting(&self, name: &str) -> &str {
        &self.settings.iter().find(|(of, _)| of == name).unwrap().1
    }

    /// Where everything is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the workers on an instance have said.
    pub fn log(&self, instance: &str) -> String {
        fs::read_to_string(self.folder().join(format!("{instance}.log"))).unwrap_or_default()
    }

    /// A clip that takes about a second to transcode.
    pub fn clip(&self) -> PathBuf {
        let words = "-f lavfi -i testsrc2=s=640x360:r=25 -f lavfi -i sine -t 4 -c:v mpeg4 -q:v 8 -c:a libmp3lame";
        clips::make(self.folder(), "clip.mkv", words)
    }

    /// One of so many seconds that takes about as long to transcode.
    pub fn film(&self, seconds: u32) -> PathBuf {
        let words = format!("-f lavfi -i testsrc2=s=960x540:r=25 -t {seconds} -c:v mpeg4 -q:v 8");
        clips::make(self.folder(), &format!("film-{seconds}.mkv"), &words)
    }

    /// Whether a worker has heard that it is to leave, or has left.
    pub fn is_leaving(&self, worker: &mut Worker) -> bool {
        if worker.ended().is_some() {
            return true;
        }
        let workers = self.get("/api/admin/workers");
        let mut workers = workers["workers"].as_array().unwrap().iter();
        !workers.any(|seen| seen["id"] == worker.id.as_str() && seen["state"] == "active")
    }

    /// Uploads; the id of the video.
    pub fn submit(&self, file: &Path) -> String {
        let answer = self.client.upload(file, "profile=web").unwrap();
        assert_eq!(answer.status, 202, "{}", answer.json);
        answer.json["id"].as_str().unwrap().to_owned()
    }

    /// What the API answers.
    pub fn get(&self, path: &str) -> Value {
        self.client.call("GET", path).unwrap().json
    }

    /// A video.
    pub fn video(&self, id: &str) -> Value {
        self.get(&format!("/api/videos/{id}"))
    }

    /// The job of a video.
    pub fn job(&self, video: &str) -> Value {
        let job = self.video(video)["job"].as_str().unwrap().to_owned();
        self.get(&format!("/api/jobs/{job}"))
    }

    /// Whether a worker holds a job.
    pub fn runs(&self, worker: &Worker) -> bool {
        !held_by(&self.client, &worker.id).is_empty()
    }

    /// Messages that are in somebody's hand.
    pub fn in_flight(&self) -> u64 {
        let queue = self.get("/api/admin/queue");
        let lanes = queue["lanes"].as_array().unwrap();
        lanes.iter().map(|lane| lane["in_flight"].as_u64().unwrap()).sum()
    }

    /// Waits until a video is ready, and looks at all of it: one execution was effective, under
    /// one epoch, only the charged tries that are allowed, and the result is as long as its source.
    /// How often it was executed.
    pub fn assert_whole(&self, video: &str, source_s: f64, charged: u64) -> usize {
        let seen = wait_for(&format!("video {video} to end"), PATIENCE, || {
            let seen = self.video(video);
            let ends = ["ready", "failed", "cancelled"];
            ends.contains(&seen["status"].as_str().unwrap_or_default()).then_some(seen)
        });
        assert_eq!(seen["status"], "ready", "{seen}");
        let job = self.job(video);
        assert_eq!(job["attempts"], charged, "{job}");
        let history = job["attempts_history"].as_array().unwrap();
        let done = history.iter().filter(|attempt| attempt["outcome"] == "done").count();
        assert_eq!(done, 1, "{job}");
        let id = job["id"].as_str().unwrap();
        let epoch = job["epoch"].as_u64().unwrap();
        let results = self.folder().join("blobs/outputs").join(id).join(epoch.to_string());
        let results = files_below(&results);
        let film = results.iter().find(|file| file.extension().is_some_and(|end| end == "mp4"));
        let film = film.unwrap_or_else(|| panic!("no film: {results:?} of {job}"));
        let got = playable::facts(film).duration_s;
        assert!(playable::is_about(got, source_s), "{got} s of {source_s}: {job}");
        history.len()
    }

    /// Nothing runs that nobody waits for.
    pub fn assert_no_ffmpeg(&self) {
        wait_for("every ffmpeg to be gone", Duration::from_secs(30), || {
            let ffmpegs = processes::all().into_iter().filter(|process| process.name == "ffmpeg");
            processes::using(self.folder(), ffmpegs).is_empty().then_some(())
        });
    }
}

/// Running jobs that are a worker's.
pub fn held_by(client: &Client, worker: &str) -> Vec<String> {
    let page = client.call("GET", "/api/admin/jobs?state=running&limit=100").unwrap().json;
    let jobs = page["jobs"].as_array().unwrap().iter();
    jobs.filter(|job| job["worker"] == worker).map(|job| job["id"].to_string()).collect()
}

/// What a worker still has in hand: jobs, and ffmpeg.
pub fn in_hand(client: &Client, worker: &str, pid: i32) -> Vec<String> {
    let mut found = held_by(client, worker);
    found.extend(worker::encodes(pid).then(|| "an ffmpeg".to_owned()));
    found
}

/// Names of the queues, but for their base.
fn lanes() -> impl Iterator<Item = String> {
    let of = |kind: &'static str| {
        ["high", "normal", "low"].into_iter().map(move |priority| format!("{kind}-{priority}"))
    };
    ["transcode", "noop"].into_iter().flat_map(of).chain(["dead".to_owned()])
}

fn run(words: &[&str], settings: &[(String, String)], input: &str) {
    use std::io::Write as _;
    let mut child = command()
        .args(words)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{input}").unwrap();
    assert!(child.wait().unwrap().success(), "{words:?}");
}
