//! The real database, asked in the model's words.

use std::{error::Error, path::Path, time::Duration};

use reelfleet_db::{Db, Due, File, Finished, NewUser, NewVideo, Pulse, Reaped, Role, Submitted};
use reelfleet_job::{JobId, Kind, Lane, Priority, Reason, RetryPolicy, UserId, VideoId, WorkerId};
use reelfleet_runtime::Clock;
use tempfile::TempDir;

use crate::{Answer, Call, Claim};

/// What goes wrong here is the end of the run.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The one name under which results are published here.
const FILE: &str = "out.mp4";

const LANE: Lane = Lane { kind: Kind::Transcode, priority: Priority::Normal };

/// A database with the jobs and workers of one run, which are numbered here.
#[derive(Debug)]
pub struct Place {
    /// The database.
    pub db: Db,
    owner: UserId,
    jobs: Vec<(JobId, VideoId)>,
    workers: Vec<WorkerId>,
    clock: Clock,
}

/// A fresh SQLite database, gone with the folder. In memory where there is such a folder: what a
/// disk keeps is not the question here.
pub async fn sqlite() -> Result<(TempDir, Db)> {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
    let db = Db::open(&format!("sqlite:{}/model.db", folder.path().display())).await?;
    db.migrate().await?;
    Ok((folder, db))
}

impl Place {
    /// In a database, for an owner of its own.
    pub async fn new(db: Db, name: &str, workers: usize) -> Result<Self> {
        let new = NewUser {
            email: format!("{name}@example.com"),
            password_hash: "hash".to_owned(),
            role: Role::User,
        };
        let owner = db.create_user(&new).await?.id;
        let workers = (0..workers).map(|_| WorkerId::generate()).collect();
        Ok(Self { db, owner, jobs: Vec::new(), workers, clock: Clock::system() })
    }

    /// Records another job.
    pub async fn submit(&mut self, max_attempts: u32) -> Result<usize> {
        let new = NewVideo {
            id: VideoId::generate(),
            owner: self.owner,
            title: "holiday".to_owned(),
            profile: "web".to_owned(),
            priority: LANE.priority,
            source_bytes: 1,
            source_duration: None,
            idempotency_key: None,
            fingerprint: "f".to_owned(),
            max_attempts,
        };
        let Submitted::New(video) = self.db.submit_video(&new).await? else {
            return Err("a repeated upload".into());
        };
        self.jobs.push((video.job, video.id));
        Ok(self.jobs.len() - 1)
    }

    /// A job's id.
    #[must_use]
    pub fn id(&self, job: usize) -> JobId {
        self.jobs[job].0
    }

    /// A worker's id.
    #[must_use]
    pub fn worker(&self, worker: u8) -> WorkerId {
        self.workers[usize::from(worker)]
    }

    /// The number of a worker, if it is one that lives.
    #[must_use]
    pub fn worker_number(&self, id: WorkerId) -> Option<u8> {
        let at = self.workers.iter().position(|worker| *worker == id)?;
        u8::try_from(at).ok()
    }

    /// Another one takes the place of a worker that died.
    pub fn replace_worker(&mut self, worker: u8) {
        self.workers[usize::from(worker)] = WorkerId::generate();
    }

    /// Waits until the database's clock says something later. SQLite's can be told a millisecond
    /// late by rounding, so this waits for two.
    pub async fn later(&self) {
        let began = self.clock.now();
        while self.clock.now().since(began) < Duration::from_millis(2) {
            tokio::task::yield_now().await;
        }
    }

    /// One call about one job.
    pub async fn ask(&self, job: usize, call: Call) -> Result<Answer> {
        let ((job, video), db) = (self.jobs[job], &self.db);
        let why = || Reason::new("internal", "Something went wrong.");
        let effect = match call {
            Call::Claim { worker, lease } => {
                let claimed = db.claim(job, self.worker(worker), millis(lease)).await?;
                let Some(claimed) = claimed else { return Ok(Answer::Claimed(None)) };
                return Ok(Answer::Claimed(Some(Claim {
                    epoch: u32::try_from(claimed.epoch)?,
                    attempts: claimed.attempts,
                    max_attempts: claimed.max_attempts,
                })));
            }
            Call::Beat { worker, epoch, lease } => {
                let beats = self.beat(self.worker(worker), job, epoch, millis(lease)).await?;
                return Ok(Answer::Beat(beats));
            }
            Call::CloseDone { epoch } => db.close_done(job, epoch.into(), &finished(video)).await?,
            Call::CloseDead { epoch } => db.close_dead(job, epoch.into(), &why()).await?,
            Call::CloseCancelled { epoch } => db.close_cancelled(job, epoch.into()).await?,
            Call::Retry { epoch, wait } => {
                db.retry(job, epoch.into(), millis(wait), &why()).await?
            }
            Call::HandBack { epoch } => db.hand_back(job, epoch.into()).await?,
            Call::LiveEpoch => {
                let live = db.epochs(job).await?.and_then(|known| known.live);
                let live = live.map(u32::try_from).transpose()?;
                return Ok(Answer::Live(live));
            }
            Call::Redrive => db.redrive(job, "model").await?,
            Call::Discard => db.discard(job, "model").await?,
            Call::Cancel | Call::MarkSent | Call::UnmarkSent | Call::MarkBuried => {
                match call {
                    Call::Cancel => _ = db.cancel_job(job, "model").await?,
                    Call::MarkSent => db.mark_sent(&[job]).await?,
                    Call::UnmarkSent => db.unmark_sent(&[job]).await?,
                    _ => db.mark_buried(&[job]).await?,
                }
                return Ok(Answer::Done);
            }
        };
        Ok(Answer::Effect(effect))
    }

    /// A heartbeat of any worker, dead ones included.
    pub async fn beat(
        &self,
        worker: WorkerId,
        job: JobId,
        epoch: u32,
        lease: Duration,
    ) -> Result<reelfleet_db::Beat> {
        let pulse = Pulse { job, epoch: epoch.into(), progress: 0.5 };
        let beats = self.db.beat(worker, lease, &[pulse]).await?;
        beats.first().copied().ok_or_else(|| "no answer to a heartbeat".into())
    }

    /// Takes what is due.
    pub async fn take_due(&self) -> Result<Vec<usize>> {
        Ok(self.numbers(self.db.take_due(100_000).await?))
    }

    /// Takes what counts as lost.
    pub async fn take_lost(&self, lost_after: i64) -> Result<Vec<usize>> {
        let due = self.db.take_lost(100_000, millis(lost_after), &[LANE]).await?;
        Ok(self.numbers(due))
    }

    /// Dead jobs without a letter.
    pub async fn unburied(&self) -> Result<Vec<usize>> {
        let jobs = self.db.unburied(100_000).await?;
        Ok(self.numbers(jobs.into_iter().map(|(job, _)| Due { job, lane: LANE })))
    }

    /// Frees jobs whose lease ran out, or those of one worker.
    pub async fn reap(&self, worker: Option<WorkerId>, policy: &RetryPolicy) -> Result<Reaped> {
        Ok(match worker {
            None => self.db.reap(policy).await?,
            Some(worker) => self.db.reap_worker(worker, policy).await?,
        })
    }

    /// Of which epoch the published file is.
    pub async fn published(&self, job: usize) -> Result<Option<u32>> {
        let file = self.db.file(self.owner, self.jobs[job].1, FILE).await?;
        Ok(file.map(|file| u32::try_from(file.epoch)).transpose()?)
    }

    /// In the order of their numbers: the database orders by times that no seed decides.
    fn numbers(&self, due: impl IntoIterator<Item = Due>) -> Vec<usize> {
        let number = |due: Due| self.jobs.iter().position(|(job, _)| *job == due.job);
        let mut numbers: Vec<_> = due.into_iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }
}

fn finished(video: VideoId) -> Finished {
    let file = File {
        name: FILE.to_owned(),
        kind: "video".to_owned(),
        content_type: "video/mp4".to_owned(),
        bytes: 1,
    };
    Finished { video, duration_s: 1.0, width: 2, height: 2, files: vec![file] }
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}
