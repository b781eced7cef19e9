//! The records, and the only crate with SQL. The database is the truth: a job exists because its row exists.
//!
//! ```text
//! api ──► submit_video ─┐                       ┌─ claim, beat, close_* ◄── worker
//! cli ──► backlog, jobs ┼─► Db ─► Backend ──────┼─ send, receive, ack   ◄── queue (database backend)
//!                       │         └─ sqlite/    └─ due, reap            ◄── relay
//! ```
//!
//! Every public call is one short statement or transaction; none stays open
//! while a job runs. All times in rows are by the database's own clock.
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let folder = tempfile::tempdir().unwrap();
//! let url = format!("sqlite:{}/reelfleet.db", folder.path().display());
//! let db = reelfleet_db::Db::open(&url).await.unwrap();
//! db.migrate().await.unwrap();
//! assert_eq!(db.backlog().await.unwrap().total(), 0);
//! # });
//! ```

mod config;
mod decode;
mod error;
mod lost;
mod postgres;
mod record;
mod schema;
mod sqlite;
mod wakeup;

use std::time::Duration;

use reelfleet_job::{FleetId, JobId, Kind, Lane, Reason, RetryPolicy, UserId, VideoId, WorkerId};
use reelfleet_runtime::Timestamp;
use uuid::Uuid;

pub use config::{DATABASE_URL, DatabaseConfig, VARS};
pub use error::Error;
pub use record::*;
pub use schema::Schema;
pub use wakeup::{Topic, Wakeup};

/// What calls come back with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The database, whichever it is.
#[derive(Debug, Clone)]
pub struct Db {
    backend: Backend,
}

/// One arm a database. A further one is a folder with the same file names as `sqlite/`.
#[derive(Debug, Clone)]
enum Backend {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Db {
    /// Opens the database that `url` names, with the defaults of everything else.
    ///
    /// # Errors
    ///
    /// See [`Db::connect`].
    pub async fn open(url: &str) -> Result<Self> {
        Self::connect(&DatabaseConfig::of(url)).await
    }

    /// Opens a database. Makes an SQLite file that is not there yet.
    ///
    /// # Errors
    ///
    /// A URL of an unknown scheme, or a database that cannot be reached.
    pub async fn connect(config: &DatabaseConfig) -> Result<Self> {
        let backend = match config.url().split_once(':') {
            Some(("sqlite", path)) => Backend::Sqlite(sqlite::Sqlite::open(path).await?),
            _ => Backend::Postgres(postgres::Postgres::open(config).await?),
        };
        Ok(Self { backend })
    }

    /// Brings the schema up to this version, and leaves one of a newer version that this one works on as
    /// it is. It takes the time it takes.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn migrate(&self) -> Result<()> {
        match &self.backend {
            Backend::Sqlite(backend) => backend.migrate().await,
            Backend::Postgres(backend) => backend.migrate().await,
        }
    }
}

impl Db {
    /// Makes `worker` the owner of a queued job, see [`Db::claim_some`].
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn claim(
        &self,
        job: JobId,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<Option<Claimed>> {
        Ok(self.claim_some(&[job], worker, lease).await?.pop())
    }

    /// Makes `worker` the owner of those of these jobs that are queued: next epoch, one attempt
    /// more, a lease. A job that is left out is taken, closed, not due or gone: its message is a
    /// duplicate. A job whose payload this version cannot read is dead then.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn claim_some(
        &self,
        jobs: &[JobId],
        worker: WorkerId,
        lease: Duration,
    ) -> Result<Vec<Claimed>> {
        let raw = match &self.backend {
            Backend::Sqlite(backend) => backend.claim_some(jobs, worker, lease).await?,
            Backend::Postgres(backend) => within(backend.claim_some(jobs, worker, lease)).await?,
        };
        self.read_claims(raw).await
    }

    /// Takes up to `limit` messages out of the first lane of the `database` queue that has any, and
    /// makes `worker` the owner of their jobs, as [`Db::claim_some`] does; all in one transaction.
    /// On Postgres a message whose job is older than those that were just taken from its lane may be
    /// overlooked for half a second, as long as there are others.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn claim_next(
        &self,
        lanes: &[Lane],
        limit: u32,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<Taken> {
        let raw = match &self.backend {
            Backend::Sqlite(backend) => backend.claim_next(lanes, limit, worker, lease).await?,
            Backend::Postgres(backend) => {
                within(backend.claim_next(lanes, limit, worker, lease)).await?
            }
        };
        Ok(Taken { messages: raw.messages, claimed: self.read_claims(raw.claimed).await? })
    }

    async fn read_claims(&self, raw: Vec<RawClaimed>) -> Result<Vec<Claimed>> {
        let mut claimed = Vec::with_capacity(raw.len());
        for RawClaimed { id, epoch, attempts, max_attempts, payload } in raw {
            match serde_json::from_str(&payload) {
                Ok(payload) => {
                    claimed.push(Claimed { id, epoch, attempts, max_attempts, payload });
                }
                // Written by a version that this one does not know. It must not come back to
                // every worker for ever; an operator redrives it once the workers are newer.
                Err(error) => {
                    tracing::error!(%error, job.id = %id, "the payload of job {id} cannot be read by this version: it is dead");
                    let why = "This version of the fleet cannot read the job.";
                    self.close_dead(id, epoch, &Reason::new("unreadable", why)).await?;
                }
            }
        }
        Ok(claimed)
    }
}

/// The longest that a call of Postgres may take. A connection whose other end has vanished says
/// nothing for a quarter of an hour; whoever waits for it must go on before a lease ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// A period that is so far ahead was taken by a clock that was wrong: to wait for it would be to
/// do nothing until then.
const CLOCK_WAS_WRONG: Duration = Duration::from_secs(60 * 60);

async fn within<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, call)
        .await
        .unwrap_or(Err(Error::Unavailable(sqlx::Error::PoolTimedOut)))
}

/// Declares the calls once, with their meaning; each backend has one of the same name.
macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        impl Db {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                ///
                /// See [`Error`].
                pub async fn $name(&self, $($arg: $ty),*) -> Result<$ret> {
                    match &self.backend {
                        Backend::Sqlite(backend) => backend.$name($($arg),*).await,
                        Backend::Postgres(backend) => within(backend.$name($($arg),*)).await,
                    }
                }
            )*
        }
    };
}

calls! {
    /// Checks that the database answers and that this version works on its schema: its own, or one that a newer
    /// version has only added to.
    check() -> ();
    /// Something to wait on until another process or this one has changed the database in that respect.
    wakeup(topic: Topic) -> Wakeup;
    /// Whose records these are. The first who asks makes the id; a copy of the database keeps it.
    fleet() -> FleetId;

    /// Makes an account. A taken address is [`Error::Taken`].
    create_user(new: &NewUser) -> User;
    /// Looks an account up by its address.
    user_by_email(email: &str) -> Option<User>;
    /// Looks an account up by its id.
    user(id: UserId) -> Option<User>;
    /// Whether there is any operator yet, and the first one.
    first_operator() -> Option<User>;
    /// Makes an account, or takes over the one of this address: it gets the role and the password, and
    /// its tokens and sign-in links so far are void.
    take_over(new: &NewUser) -> User;
    /// Gives an account another password, which voids its tokens and sign-in links so far. None, with no
    /// effect, if they are void already: then `user` is from before another change.
    change_password(user: &User, hash: &str) -> Option<User>;
    /// Replaces the hash of the same password (rehash on login); not that of another one set since.
    renew_password_hash(user: &User, hash: &str) -> ();
    /// Records the hash of a link that signs `user` in once. False, with no effect, if the tokens of `user`
    /// are void by now.
    create_sign_in_link(token_hash: &str, user: &User, lives: Duration) -> bool;
    /// Uses a link up. None if it is unknown, used or too old.
    use_sign_in_link(token_hash: &str) -> Option<User>;

    /// Records a video and its job, due at once, in one transaction.
    submit_video(new: &NewVideo) -> Submitted;
    /// Records jobs, due at once, all or none. `with_messages` puts their messages into the `database`
    /// queue in the same transaction.
    submit_jobs(new: &[NewJob], with_messages: bool) -> ();
    /// The upload recorded under an `Idempotency-Key`, with its fingerprint.
    video_by_key(owner: UserId, key: &str) -> Option<(Video, String)>;
    /// One video of an owner. A foreign or deleted one is none.
    video(owner: UserId, id: VideoId) -> Option<Video>;
    /// The same while the tokens of its owner hold: none, too, once `owner` is from before another password.
    video_in_session(owner: &User, id: VideoId) -> Option<Video>;
    /// Videos of an owner, newest first.
    videos(owner: UserId, filter: &VideoFilter) -> Page<Video>;
    /// Where a published file of an owner's video is stored.
    file(owner: UserId, video: VideoId, name: &str) -> Option<StoredFile>;
    /// Takes a video out of its owner's sight and cancels its job. Its blobs go later, see [`Db::deleted_videos`].
    delete_video(owner: UserId, id: VideoId) -> bool;
    /// Asks to stop an owner's video. None if there is no such video; otherwise the video as it is now.
    cancel_video(owner: UserId, id: VideoId) -> Option<Video>;
    /// How many unfinished videos an owner has, for the quota.
    unfinished_videos(owner: UserId) -> u64;
    /// Videos whose blobs can go: deleted, with a closed job.
    deleted_videos(limit: u32) -> Vec<(VideoId, JobId)>;
    /// Forgets a deleted video and its job for good.
    purge_video(id: VideoId) -> ();
    /// Whether a video's row is there, deleted or not.
    video_exists(id: VideoId) -> bool;

    /// Renews the leases of the jobs a worker holds, stores their progress, and says of each what it must know.
    beat(worker: WorkerId, lease: Duration, pulses: &[Pulse]) -> Vec<Beat>;
    /// Publishes a result and closes the job. False, with no effect, if the claim is not this epoch's any more.
    close_done(job: JobId, epoch: u64, result: &Finished) -> bool;
    /// Closes jobs that have nothing to publish, all of one worker. Those of which the claim was still the one given.
    close_some_done(claims: &[(JobId, u64)]) -> Vec<JobId>;
    /// Closes the job without a result.
    close_dead(job: JobId, epoch: u64, reason: &Reason) -> bool;
    /// Closes the job because its owner said so. False if nobody did.
    close_cancelled(job: JobId, epoch: u64) -> bool;
    /// Schedules the next try.
    retry(job: JobId, epoch: u64, wait: Duration, reason: &Reason) -> bool;
    /// Gives the job back without charging the attempt.
    hand_back(job: JobId, epoch: u64) -> bool;

    /// Due jobs of which no message was sent, marked as having one from now on. Scheduled ones become queued.
    take_due(limit: u32) -> Vec<Due>;
    /// Queued jobs of these lanes whose message was sent so long ago that it counts as lost, marked as having one
    /// from now on. One that waits in the `database` queue is not lost.
    take_lost(limit: u32, lost_after: Duration, lanes: &[Lane]) -> Vec<Due>;
    /// Notes that messages were sent for these jobs.
    mark_sent(jobs: &[JobId]) -> ();
    /// Takes that note back, so that the relay sends again.
    unmark_sent(jobs: &[JobId]) -> ();
    /// Frees jobs whose lease ran out: due again after the policy's wait, or dead after the last attempt.
    reap(policy: &RetryPolicy) -> Reaped;
    /// Frees every job of a worker that is known to be dead, without waiting for the leases.
    reap_worker(worker: WorkerId, policy: &RetryPolicy) -> Reaped;

    /// Dead jobs of which no letter is in the dead-letter queue.
    unburied(limit: u32) -> Vec<(JobId, Kind)>;
    /// Notes that letters of these jobs are in the dead-letter queue.
    mark_buried(jobs: &[JobId]) -> ();
    /// Takes that note back of the dead jobs whose letter was sent so long ago, but for `seen`: their letters
    /// are lost. How many.
    unmark_buried(seen: &[JobId], sent_before: Duration) -> u64;
    /// Those of these jobs that are dead.
    dead_of(jobs: &[JobId]) -> Vec<JobId>;

    /// Takes a duty for a while, or keeps it: the number of its holder, counted from one. None if
    /// another holder has it.
    take_duty(duty: &str, holder: Uuid, lease: Duration) -> Option<u64>;
    /// Lets others have it at once.
    leave_duty(duty: &str, holder: Uuid) -> ();
    /// Takes the current period of a duty, by the database's clock: when it began. None if it was taken, by
    /// whomever. A clock that was set back gives no period twice, unless it was by more than an hour.
    take_turn(duty: &str, period: Duration) -> Option<Timestamp>;

    /// Puts messages into their lanes, all or none; a second one for the same job in the same lane only makes the first ready again.
    send_messages(batch: &[RawSend]) -> ();
    /// Takes up to `limit` messages from the first lane of `lanes` that has any, hidden from others for `hide`.
    receive_messages(lanes: &[Lane], limit: u32, hide: Duration) -> Vec<RawMessage>;
    /// Removes delivered messages, but for those that were delivered again since.
    ack_messages(receipts: &[RawReceipt]) -> ();
    /// Makes delivered messages ready again at once.
    release_messages(receipts: &[RawReceipt]) -> ();
    /// Puts letters into the dead-letter queue of the `database` backend, each once.
    bury_letters(bodies: &[String]) -> ();
    /// Up to `limit` dead letters, hidden from others for `hide`.
    dead_letters(limit: u32, hide: Duration) -> Vec<RawLetter>;
    /// Forgets dead letters.
    forget_letters(ids: &[i64]) -> ();
    /// Lets dead letters be seen again at once.
    release_letters(ids: &[i64]) -> ();
    /// How many dead letters there are.
    count_letters() -> u64;
    /// How many messages each lane holds.
    lane_depths() -> Vec<LaneDepth>;

    /// Counts the unfinished work.
    backlog() -> Backlog;
    /// All transcoding work of one moment, and who does it. Workers silent for longer than `silent` count as gone.
    work(silent: Duration) -> Work;
    /// Jobs, newest first.
    jobs(filter: &JobFilter) -> Page<Job>;
    /// One job.
    job(id: JobId) -> Option<Job>;
    /// What each claim of a job came to, first one first.
    attempts(id: JobId) -> Vec<Attempt>;
    /// How many queued jobs a worker would take before this one.
    ahead_of(id: JobId) -> u64;
    /// Asks to stop a job, whoever owns it. None if there is no such job; otherwise the job as it is now.
    cancel_job(id: JobId, actor: &str) -> Option<Job>;
    /// Makes a dead job due again, with its attempts reset, and records who did it. False if it is not dead.
    redrive(id: JobId, actor: &str) -> bool;
    /// Gives a dead job up for good (it becomes cancelled), and records who did it. False if it is not dead.
    discard(id: JobId, actor: &str) -> bool;

    /// Records a worker that begins.
    worker_started(new: &NewWorker) -> ();
    /// Records what a worker is up to, and that it was heard of.
    worker_seen(id: WorkerId, state: WorkerState) -> ();
    /// Workers heard of lately, active ones first. Those silent for longer than `silent` count as gone.
    workers(silent: Duration) -> Vec<Worker>;
    /// What is known of a job's epochs. None if there is no such job.
    epochs(job: JobId) -> Option<Epochs>;
}
