//! The API and its console in this process, with a worker that the test plays.

use std::{net::SocketAddr, path::Path, time::Duration};

use reelfleet_api::{Api, ApiConfig, ProfileInfo, hash_password, serve, sign_in_link};
use reelfleet_db::{
    Claimed, Db, File, Finished, NewUser, NewVideo, NewWorker, Pulse, Role, Submitted, User, Video,
};
use reelfleet_job::{JobId, Payload, Priority, Reason, VideoId, WorkerId};
use reelfleet_queue::Queue;
use reelfleet_runtime::{Clock, Shutdown};
use reelfleet_storage::{Key, Storage};

const LEASE: Duration = Duration::from_secs(300);
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Fleet {
    pub(crate) db: Db,
    pub(crate) folder: tempfile::TempDir,
    storage: Storage,
    address: SocketAddr,
    shutdown: Shutdown,
    worker: WorkerId,
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/reelfleet.db", folder.path().display());
        let db = Db::open(&url).await.unwrap();
        db.migrate().await.unwrap();
        let queue = Queue::open(&Default::default(), &db).await.unwrap();
        let storage = Storage::local(&folder.path().join("blobs")).await.unwrap();
        let profiles = [
            ("web", "One MP4 that plays everywhere, at most 720p."),
            ("hls", "A ladder of streams up to 1080p."),
        ];
        let profiles = profiles.map(|(name, description)| ProfileInfo {
            name: name.into(),
            description: description.into(),
        });
        let config = ApiConfig::new("q8Zr1vN0xk3Tt7Yw5uJm2Lc9Hb6Ds4Pf".into(), profiles.into());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let api = Api::new(config, db.clone(), queue, storage.clone(), Clock::system());
        tokio::spawn(serve(listener, api, shutdown.clone()));
        let worker = WorkerId::generate();
        let new = NewWorker { id: worker, host: "studio".into(), pid: 4711, concurrency: 2 };
        db.worker_started(&new).await.unwrap();
        Self { db, folder, storage, address, shutdown, worker }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn user(&self, email: &str, role: Role) -> User {
        let password_hash = hash_password(PASSWORD.into()).await.unwrap();
        let new = NewUser { email: email.into(), password_hash, role };
        self.db.create_user(&new).await.unwrap()
    }

    /// The path of a link that signs a user in once.
    pub(crate) async fn link(&self, user: &User) -> String {
        let (token, hash) = sign_in_link();
        assert!(self.db.create_sign_in_link(&hash, user, LEASE).await.unwrap());
        self.url(&format!("/sign-in/{token}"))
    }

    pub(crate) async fn video(&self, owner: &User, title: &str) -> Video {
        let new = NewVideo {
            id: VideoId::generate(),
            owner: owner.id,
            title: title.into(),
            profile: "web".into(),
            priority: Priority::Normal,
            source_bytes: 48_312_345,
            source_duration: None,
            idempotency_key: None,
            fingerprint: title.into(),
            max_attempts: 5,
        };
        match self.db.submit_video(&new).await.unwrap() {
            Submitted::New(video) => *video,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn claim(&self, job: JobId) -> Claimed {
        self.db.claim(job, self.worker, LEASE).await.unwrap().expect("the job is queued")
    }

    pub(crate) async fn progress(&self, claimed: &Claimed, progress: f64) {
        let pulse = Pulse { job: claimed.id, epoch: claimed.epoch, progress };
        self.db.beat(self.worker, LEASE, &[pulse]).await.unwrap();
    }

    /// Publishes a film as the result.
    pub(crate) async fn finish(&self, claimed: &Claimed, film: &Film) {
        let mut files = Vec::new();
        for (name, kind, content_type, path) in [
            ("video.mp4", "video", "video/mp4", &film.mp4),
            ("poster.jpg", "poster", "image/jpeg", &film.poster),
        ] {
            // Storing may move the file away, and the film is needed again.
            let copy = self.folder.path().join(format!("{}-{name}", claimed.id));
            std::fs::copy(path, &copy).unwrap();
            let bytes = std::fs::metadata(&copy).unwrap().len();
            let key = Key::output(claimed.id, claimed.epoch, name).unwrap();
            self.storage.put_file(&copy, &key).await.unwrap();
            files.push(File {
                name: name.into(),
                kind: kind.into(),
                content_type: content_type.into(),
                bytes,
            });
        }
        let Payload::Transcode { video, .. } = claimed.payload else { panic!("a video's job") };
        let result = Finished { video, duration_s: 2.0, width: 320, height: 180, files };
        assert!(self.db.close_done(claimed.id, claimed.epoch, &result).await.unwrap());
    }

    pub(crate) async fn fail(&self, claimed: &Claimed, code: &str, message: &str) {
        let reason = Reason::new(code, message);
        assert!(self.db.close_dead(claimed.id, claimed.epoch, &reason).await.unwrap());
    }

    pub(crate) fn stop(&self) {
        self.shutdown.start_abort();
    }
}

/// A small real film with its poster.
pub(crate) struct Film {
    pub(crate) mp4: std::path::PathBuf,
    pub(crate) poster: std::path::PathBuf,
}

impl Film {
    pub(crate) async fn make(folder: &Path) -> Self {
        let (mp4, poster) = (folder.join("film.mp4"), folder.join("film.jpg"));
        let picture = "gradients=s=320x180:c0=#16324f:c1=#f2a65a:c2=#1b1b3a:n=3:d=2:seed=4";
        ffmpeg(
            &[
                "-f",
                "lavfi",
                "-i",
                picture,
                "-t",
                "2",
                "-pix_fmt",
                "yuv420p",
                "-movflags",
                "+faststart",
            ],
            &mp4,
        )
        .await;
        ffmpeg(&["-f", "lavfi", "-i", picture, "-frames:v", "1"], &poster).await;
        Self { mp4, poster }
    }
}

async fn ffmpeg(args: &[&str], out: &Path) {
    #[expect(clippy::disallowed_methods, reason = "the test needs a real film")]
    let mut command = tokio::process::Command::new("ffmpeg");
    let status =
        command.args(["-loglevel", "error", "-nostdin", "-y"]).args(args).arg(out).status().await;
    assert!(status.expect("ffmpeg is installed").success());
}
