//! TLS in a process in which nobody has chosen who does the cryptography. It is a process of its
//! own, because that choice is made once, and several of our dependencies bring a provider.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use reelfleet_db::{DatabaseConfig, Db, Error};
use reelfleet_runtime::Vars;
use reelfleet_servers::Garbage;

static PANICKED: AtomicBool = AtomicBool::new(false);

#[tokio::test]
async fn a_server_that_promises_tls_and_speaks_none_is_a_clear_error_and_no_panic() {
    std::panic::set_hook(Box::new(|_| PANICKED.store(true, Ordering::Relaxed)));
    let server = Garbage::start(&["S", "SSH-2.0-OpenSSH_9.2\r\n"]);
    let url = format!("postgres://user:hunter2@127.0.0.1:{}/db", server.port());
    for mode in ["require", "verify-full"] {
        let mut vars = Vars::of([("DATABASE_URL", url.as_str()), ("DB_SSL_MODE", mode)]);
        let config = DatabaseConfig::from_vars(&mut vars);
        let opened = tokio::time::timeout(Duration::from_secs(10), Db::connect(&config));
        let error = opened.await.unwrap().unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(matches!(error, Error::Unavailable(_)), "{said}");
        assert!(said.contains("InvalidContentType") && !said.contains("hunter2"), "{said}");
    }
    let _ = std::panic::take_hook();
    assert!(!PANICKED.load(Ordering::Relaxed));
}
