use std::fs;

use reelfleet_db::{NewUser, NewVideo, Role, Submitted, Video};
use reelfleet_job::{FleetId, Priority, WorkerId};

use super::*;

const LEASE: Duration = Duration::from_secs(600);

/// A collector with what it looks at, on a database and a storage of its own.
struct Place {
    folder: tempfile::TempDir,
    db: Db,
    storage: Storage,
    collector: Collector,
    duty: Duty,
    full: Full,
    looks: u32,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}/test.db", folder.path().display())).await.unwrap();
        db.migrate().await.unwrap();
        let storage = Storage::local(&folder.path().join("blobs")).await.unwrap();
        let work = folder.path().join("work");
        let collector = Collector::new(db.clone(), storage.clone(), work);
        let duty = Duty::new(db.clone(), "collector");
        Self { folder, db, storage, collector, duty, full: Full::default(), looks: 0 }
    }

    /// A full look.
    async fn look(&mut self, now: Instant) -> Collected {
        let (look, shutdown) = (self.looks, Shutdown::new());
        self.looks += FULL_EVERY;
        self.collector.look(look, now, &mut self.duty, &mut self.full, &shutdown).await.unwrap()
    }

    /// A video with a source.
    async fn video(&self) -> Video {
        let email = format!("{}@example.org", VideoId::generate());
        let new = NewUser { email, password_hash: "hash".to_owned(), role: Role::User };
        let owner = self.db.create_user(&new).await.unwrap().id;
        let new = NewVideo {
            id: VideoId::generate(),
            owner,
            title: "clip".to_owned(),
            profile: "web".to_owned(),
            priority: Priority::Normal,
            source_bytes: 1,
            source_duration: None,
            idempotency_key: None,
            fingerprint: "f".to_owned(),
            max_attempts: 3,
        };
        let Submitted::New(video) = self.db.submit_video(&new).await.unwrap() else {
            panic!("not new")
        };
        self.put(&Key::source(video.id)).await;
        *video
    }

    /// The epochs of a job's claims; each but the last is over.
    async fn claims(&self, job: JobId, count: u64) {
        for epoch in 1..=count {
            let claimed = self.db.claim(job, WorkerId::generate(), LEASE).await.unwrap().unwrap();
            assert_eq!(claimed.epoch, epoch);
            if epoch < count {
                self.db.hand_back(job, epoch).await.unwrap();
            }
        }
    }

    async fn output(&self, job: JobId, epoch: u64) {
        self.put(&Key::output(job, epoch, "web.mp4").unwrap()).await;
    }

    async fn put(&self, key: &Key) {
        let mut upload = self.storage.upload(key).await.unwrap();
        upload.write(b"x").await.unwrap();
        upload.publish().await.unwrap();
    }

    async fn epochs(&self) -> Vec<(JobId, u64)> {
        let mut epochs = self.storage.output_epochs().await.unwrap();
        epochs.sort_unstable();
        epochs
    }
}

/// A7 and E2: what is left behind is collected.
#[tokio::test]
async fn a_lost_epoch_goes_at_once_and_what_no_row_names_after_an_hour() {
    let mut place = Place::new().await;
    let now = Instant::now();
    assert_eq!(place.look(now).await, Collected::default());

    let video = place.video().await;
    place.claims(video.job, 2).await;
    let (stranger, orphan) = (JobId::generate(), VideoId::generate());
    // Lost, needed, and of a claim that this database has not given yet.
    for epoch in 1..=3 {
        place.output(video.job, epoch).await;
    }
    place.output(stranger, 1).await;
    place.put(&Key::source(orphan)).await;

    let lost = Collected { epochs: 1, ..Collected::default() };
    assert_eq!(place.look(now).await, lost);
    let mut left = [(video.job, 2), (video.job, 3), (stranger, 1)];
    left.sort_unstable();
    assert_eq!(place.epochs().await, left);
    assert_eq!(place.look(now + Duration::from_secs(3599)).await, Collected::default());

    let nameless = Collected { epochs: 2, sources: 1, ..Collected::default() };
    assert_eq!(place.look(now + Duration::from_secs(3600)).await, nameless);
    assert_eq!(place.epochs().await, [(video.job, 2)]);
    assert_eq!(place.storage.sources().await.unwrap(), [video.id]);
}

#[tokio::test]
async fn whoever_had_the_duty_not_for_a_while_counts_the_hour_anew() {
    let mut place = Place::new().await;
    let (now, hour) = (Instant::now(), Duration::from_secs(3600));
    place.look(now).await;
    place.put(&Key::source(VideoId::generate())).await;
    assert_eq!(place.look(now).await, Collected::default());
    place.duty.leave().await;
    let mut other = Duty::new(place.db.clone(), "collector");
    assert!(other.is_mine().await.unwrap());
    assert_eq!(place.look(now + hour).await, Collected::default());
    other.leave().await;
    assert_eq!(place.look(now + hour).await, Collected::default());
    let nameless = Collected { sources: 1, ..Collected::default() };
    assert_eq!(place.look(now + hour * 2).await, nameless);
}

#[tokio::test]
async fn nothing_is_removed_from_a_storage_of_another_fleet() {
    let mut place = Place::new().await;
    let (now, hour) = (Instant::now(), Duration::from_secs(3600));
    let mark = place.folder.path().join("blobs/fleet");
    // It belongs to a fleet that is not this one, or says nothing and holds blobs.
    assert_eq!(place.storage.take_for(FleetId::generate()).await.unwrap(), None);
    let video = place.video().await;
    place.claims(video.job, 2).await;
    place.output(video.job, 1).await;
    place.output(JobId::generate(), 1).await;
    place.put(&Key::source(VideoId::generate())).await;
    fs::write(place.folder.path().join("blobs/tmp/left-behind"), b"half").unwrap();
    let deleted = place.video().await;
    assert!(place.db.delete_video(deleted.owner, deleted.id).await.unwrap());
    for marked in [true, false] {
        for later in [0, 1, 2] {
            assert_eq!(place.look(now + hour * later).await, Collected::default(), "{marked}");
        }
        fs::remove_file(&mark).unwrap_or_default();
    }
    assert!(!mark.exists());
    assert_eq!((place.epochs().await.len(), place.storage.sources().await.unwrap().len()), (2, 3));

    // Once it is told to be this fleet's, everything goes as ever.
    fs::write(&mark, place.db.fleet().await.unwrap().to_string()).unwrap();
    let at_once = Collected { videos: 1, epochs: 1, uploads: 1, ..Collected::default() };
    assert_eq!(place.look(now + hour * 2).await, at_once);
    let nameless = Collected { epochs: 1, sources: 1, ..Collected::default() };
    assert_eq!(place.look(now + hour * 3).await, nameless);
    assert_eq!(place.storage.sources().await.unwrap(), [video.id]);
}
