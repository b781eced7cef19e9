//! What the fleet has to do, observed once for all who show it, and published.
//!
//! ```text
//! Db::work ─► Observed {work, values, experience} ─┬─► /metrics, the console, `reelfleet queue`
//!                                                  ├─► when a video should be ready
//!                                                  └─► Publisher ─► CloudWatch: once for each period
//! ```
//!
//! Whoever shows a number shows the same one: all of them are computed here, from one statement
//! on the database, by the rules of `reelfleet_scaling`.
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! # let folder = tempfile::tempdir().unwrap();
//! # let url = format!("sqlite:{}/reelfleet.db", folder.path().display());
//! # let db = reelfleet_db::Db::open(&url).await.unwrap();
//! # db.migrate().await.unwrap();
//! let observer = reelfleet_metric::Observer::new(db, reelfleet_metric::WORKER_SILENT);
//! let idle = observer.now().await.unwrap();
//! assert_eq!(idle.values.backlog_per_worker, 0.0);
//! assert_eq!(idle.seconds_to_drain(), Some(0.0));
//! # });
//! ```

mod cloudwatch;
mod config;
mod expect;
mod observe;
mod publish;

pub use config::{PublisherConfig, VARS};
pub use expect::{Expected, Waits, task_of};
pub use observe::{Observed, Observer, WORKER_SILENT};
pub use publish::Publisher;
pub use reelfleet_scaling::experience::Task;
