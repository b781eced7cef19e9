//! What workers of a group work for: a database, a queue, an API, and the group. Whatever goes wrong
//! here panics: no test can go on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, ops::Deref, path::PathBuf, time::Duration};

use reelfleet_servers::{Group, Ministack, Postgres, Redis};

use crate::{
    Client, Deployed, clips, deployed::create_queues, encodes, files_below, playable, processes,
    store::Store, wait_for, worker::Worker,
};

pub use crate::deployed::LEASE;

/// What carries the messages, and where the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// The database, which is a file.
    Sqlite,
    /// The database, which is a server.
    Postgres,
    /// SQS, with the rows in Postgres.
    Sqs,
    /// Redis, with the rows in Postgres.
    Redis,
}

/// All of it, for as long as it is not dropped: a fleet, and what its workers need besides.
#[derive(Debug)]
pub struct Stage {
    /// What carries the messages.
    pub queue: Queue,
    /// The group that workers join when they start.
    pub group: Group,
    /// The database, unless it is a file.
    pub postgres: Option<Postgres>,
    /// The emulator that has the queues, if they are of SQS.
    pub sqs: Option<Ministack>,
    /// The server that has the queues, if they are of Redis.
    pub redis: Option<Redis>,
    fleet: Deployed,
}

impl Stage {
    /// With an API that answers, and no worker.
    pub fn set(queue: Queue) -> Self {
        Self::set_with(queue, &[])
    }

    /// With settings for every process.
    pub fn set_with(queue: Queue, more: &[(&str, &str)]) -> Self {
        let postgres = (queue != Queue::Sqlite).then(Postgres::start);
        let sqs = (queue == Queue::Sqs).then(Ministack::start);
        let redis = (queue == Queue::Redis).then(Redis::start);
        let mut settings: Vec<(&str, String)> = Vec::new();
        if let Some(postgres) = &postgres {
            settings.push(("DATABASE_URL", postgres.create("fleet")));
        }
        if let Some(sqs) = &sqs {
            create_queues(sqs, "fleet");
            settings.push(("QUEUE_TYPE", "sqs".to_owned()));
            settings.push(("SQS_REGION", "us-east-1".to_owned()));
            settings.push(("SQS_QUEUE_URL", sqs.queue_url("fleet")));
            settings.push(("AWS_ENDPOINT_URL", sqs.endpoint()));
        }
        if let Some(redis) = &redis {
            settings.push(("QUEUE_TYPE", "redis".to_owned()));
            settings.push(("REDIS_URL", redis.url(0)));
        }
        let settings = settings.iter().map(|(name, value)| (*name, &**value));
        let settings: Vec<_> = settings.chain(more.iter().copied()).collect();
        let fleet = Deployed::start(&settings);
        Self { queue, group: Group::start(), postgres, sqs, redis, fleet }
    }

    /// Starts a worker on an instance of the group, with settings of its own.
    pub fn worker(&self, instance: &str, more: &[(&str, &str)]) -> Worker {
        let metadata = self.group.instance(instance);
        let own = [
            ("AUTO_SCALING_GROUP", self.group.name()),
            ("LIFECYCLE_HOOK", self.group.hook()),
            ("AWS_ENDPOINT_URL_AUTO_SCALING", self.group.endpoint()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata),
        ];
        let settings = self.fleet.worker_settings(instance, &[&own, more].concat());
        Worker::start(instance, &settings, &self.fleet.log_of(instance))
    }

    /// What every process is told, to be told to one more.
    pub fn settings(&self) -> Vec<(String, String)> {
        self.fleet.worker_settings("more", &[])
    }

    /// The rows, beside the fleet's back.
    pub fn store(&self) -> Store {
        Store::of(self.setting("DATABASE_URL"))
    }

    /// What the workers on an instance have said.
    pub fn log(&self, instance: &str) -> String {
        fs::read_to_string(self.fleet.log_of(instance)).unwrap_or_default()
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
        let seen = self.fleet.wait_final(video);
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

impl Deref for Stage {
    type Target = Deployed;

    fn deref(&self) -> &Deployed {
        &self.fleet
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
    found.extend(encodes(pid).then(|| "an ffmpeg".to_owned()));
    found
}
