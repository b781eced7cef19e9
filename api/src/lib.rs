//! HTTP in, jobs out; and the web console.
//!
//! ```text
//! client ─► server ─► http (id, limits, headers) ─► auth ─► upload ─► storage, then queue::submit (row, message)
//!                                                   ├─────► video, admin ─► db
//!                                                   └─────► ops (health, metrics, docs), console
//! ```
//!
//! The API learns results only from the database. Every call that names a
//! video asks with its owner, so a foreign one does not exist.
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! use reelfleet_api::{Api, ApiConfig, ProfileInfo, serve};
//! use reelfleet_runtime::{Clock, Shutdown};
//! # let folder = tempfile::tempdir().unwrap();
//! # let url = format!("sqlite:{}/reelfleet.db", folder.path().display());
//! # let db = reelfleet_db::Db::open(&url).await.unwrap();
//! # db.migrate().await.unwrap();
//! # let queue = reelfleet_queue::Queue::open(&Default::default(), &db).await.unwrap();
//! # let storage = reelfleet_storage::Storage::local(folder.path()).await.unwrap();
//! let web = ProfileInfo { name: "web".into(), description: "MP4 for the web.".into() };
//! let config = ApiConfig::new("q8Zr1vN0xk3Tt7Yw5uJm2Lc9Hb6Ds4Pf".into(), vec![web]);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
//! let shutdown = Shutdown::new();
//! # shutdown.start_drain();
//! serve(listener, Api::new(config, db, queue, storage, Clock::system()), shutdown).await.unwrap();
//! # });
//! ```

mod admin;
mod auth;
mod config;
mod console;
mod docs;
mod http;
mod ops;
mod problem;
mod router;
mod server;
mod state;
mod upload;
mod video;

pub use auth::{
    AccountError, SIGN_IN_LINK_LIVES, hash_password, issue_token, make_account, sign_in_link,
};
pub use config::{ApiConfig, JWT_SECRET, LISTEN_ADDR, ProfileInfo, Signup};
pub use router::openapi_json;
pub use server::{Api, ServeError, serve};
