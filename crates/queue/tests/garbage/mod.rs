//! TLS in a process in which nobody has chosen who does the cryptography. Each test that uses this
//! is a process of its own, because that choice is made once, and several of our dependencies bring
//! a provider.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use reelfleet_db::Db;
use reelfleet_queue::{Error, Queue, QueueConfig};
use reelfleet_servers::Garbage;

static PANICKED: AtomicBool = AtomicBool::new(false);

/// Opens the queue of a URL that begins with `scheme` on a server that speaks no TLS. That is a
/// clear error of the broker `named`, and no panic in any thread.
pub(crate) async fn is_refused(
    scheme: &str,
    named: &str,
    config: impl FnOnce(String) -> QueueConfig,
) {
    std::panic::set_hook(Box::new(|_| PANICKED.store(true, Ordering::Relaxed)));
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}/test.db", folder.path().display())).await.unwrap();
    let server = Garbage::start(&["SSH-2.0-OpenSSH_9.2\r\n"]);
    let config = config(format!("{scheme}://user:hunter2@127.0.0.1:{}", server.port()));
    let opened = tokio::time::timeout(Duration::from_secs(5), Queue::open(&config, &db));
    let error = opened.await.unwrap().unwrap_err();
    let said = format!("{error} {error:?}");
    let _ = std::panic::take_hook();
    assert!(!PANICKED.load(Ordering::Relaxed), "{said}");
    assert!(matches!(error, Error::Broker { broker, .. } if broker == named), "{said}");
    assert!(said.contains("InvalidContentType") && !said.contains("hunter2"), "{said}");
}
