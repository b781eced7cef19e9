use std::{net::SocketAddr, path::Path, time::Duration};

use reelfleet_api::{Api, ApiConfig, ProfileInfo, issue_token, serve};
use reelfleet_db::{Claimed, Db, File, Finished, NewUser, NewWorker, Role, User};
use reelfleet_job::{JobId, VideoId, WorkerId};
use reelfleet_queue::{Queue, QueueConfig};
use reelfleet_runtime::{Clock, Shutdown};
use reelfleet_storage::{Key, Storage};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::client::{Answer, Ask};

pub(crate) const SECRET: &str = "q8Zr1vN0xk3Tt7Yw5uJm2Lc9Hb6Ds4Pf";

/// An API on a free port, with everything it stands on in a temporary folder.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    pub(crate) config: ApiConfig,
    pub(crate) db: Db,
    pub(crate) storage: Storage,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
    pub(crate) server: JoinHandle<()>,
    pub(crate) folder: tempfile::TempDir,
}

/// An account and its session.
pub(crate) struct Account {
    pub(crate) user: User,
    pub(crate) token: String,
}

pub(crate) fn config() -> ApiConfig {
    let profiles = ["web", "hls"].map(|name| ProfileInfo {
        name: name.to_owned(),
        description: format!("The {name} profile."),
    });
    let mut config = ApiConfig::new(SECRET.into(), profiles.into());
    config.min_free_disk_bytes = 0;
    config.logins_per_address = 10_000;
    config
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut ApiConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = folder.path().join("blobs");
        Self::on(folder, &blobs, Clock::system(), change).await
    }

    pub(crate) async fn on(
        folder: tempfile::TempDir,
        blobs: &Path,
        clock: Clock,
        change: impl FnOnce(&mut ApiConfig),
    ) -> Self {
        let storage = Storage::local(blobs).await.unwrap();
        Self::over(folder, storage, clock, change).await
    }

    pub(crate) async fn over(
        folder: tempfile::TempDir,
        storage: Storage,
        clock: Clock,
        change: impl FnOnce(&mut ApiConfig),
    ) -> Self {
        let url = format!("sqlite:{}/reelfleet.db", folder.path().display());
        Self::of(folder, &url, storage, clock, change).await
    }

    /// An API on a database of any kind.
    pub(crate) async fn of(
        folder: tempfile::TempDir,
        url: &str,
        storage: Storage,
        clock: Clock,
        change: impl FnOnce(&mut ApiConfig),
    ) -> Self {
        let mut config = config();
        change(&mut config);
        let db = Db::open(url).await.unwrap();
        db.migrate().await.unwrap();
        let queue = Queue::open(&QueueConfig::Database, &db).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let api = Api::new(config.clone(), db.clone(), queue, storage.clone(), clock.clone());
        let serving = serve(listener, api, shutdown.clone());
        let server = tokio::spawn(async { serving.await.unwrap() });
        Self { address, config, db, storage, clock, shutdown, server, folder }
    }

    pub(crate) async fn account(&self, name: &str, role: Role) -> Account {
        let new = NewUser {
            email: format!("{name}@example.org"),
            password_hash: "none".to_owned(),
            role,
        };
        let user = self.db.create_user(&new).await.unwrap();
        let hour = Duration::from_secs(3600);
        let token = issue_token(&self.config, &user, &self.clock, hour);
        Account { user, token }
    }

    pub(crate) async fn user(&self, name: &str) -> Account {
        self.account(name, Role::User).await
    }

    pub(crate) async fn operator(&self) -> Account {
        self.account("operator", Role::Operator).await
    }

    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask {
        Ask::new(self.address, method, path)
    }

    pub(crate) fn get(&self, path: &str) -> Ask {
        self.ask("GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Ask {
        self.ask("POST", path)
    }

    /// Uploads a small file and returns the accepted video.
    pub(crate) async fn upload(&self, account: &Account) -> serde_json::Value {
        let answer = self
            .post("/api/videos?title=clip")
            .signed(account)
            .header("content-type", "video/mp4")
            .body("frames")
            .await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()
    }

    pub(crate) async fn claim(&self, video: &serde_json::Value) -> Claimed {
        let worker = WorkerId::generate();
        let new = NewWorker { id: worker, host: "here".to_owned(), pid: 1, concurrency: 2 };
        self.db.worker_started(&new).await.unwrap();
        let job: JobId = video["job"].as_str().unwrap().parse().unwrap();
        self.db.claim(job, worker, Duration::from_secs(60)).await.unwrap().unwrap()
    }

    /// Does what a worker does with an uploaded video.
    pub(crate) async fn finish(&self, video: &serde_json::Value, files: &[(&str, &str, &[u8])]) {
        let claimed = self.claim(video).await;
        self.publish(&claimed, video, files).await;
    }

    pub(crate) async fn publish(
        &self,
        claimed: &Claimed,
        video: &serde_json::Value,
        files: &[(&str, &str, &[u8])],
    ) {
        let mut published = Vec::new();
        for (name, content_type, bytes) in files {
            let from = self.folder.path().join("made");
            std::fs::write(&from, bytes).unwrap();
            let key = Key::output(claimed.id, claimed.epoch, name).unwrap();
            self.storage.put_file(&from, &key).await.unwrap();
            published.push(File {
                name: (*name).to_owned(),
                kind: "video".to_owned(),
                content_type: (*content_type).to_owned(),
                bytes: bytes.len() as u64,
            });
        }
        let video: VideoId = video["id"].as_str().unwrap().parse().unwrap();
        let finished =
            Finished { video, duration_s: 2.5, width: 1280, height: 720, files: published };
        assert!(self.db.close_done(claimed.id, claimed.epoch, &finished).await.unwrap());
    }

    /// Files of unfinished uploads.
    pub(crate) fn temporary_files(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("blobs/tmp")).unwrap().count()
    }

    pub(crate) async fn sources(&self) -> usize {
        self.storage.sources().await.unwrap().len()
    }

    pub(crate) async fn videos(&self, account: &Account) -> Vec<serde_json::Value> {
        let answer: Answer = self.get("/api/videos?limit=100").signed(account).await;
        answer.json()["videos"].as_array().unwrap().clone()
    }
}

/// Waits until something holds, and fails if it never does.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"));
}
