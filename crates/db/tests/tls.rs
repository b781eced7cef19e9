//! TLS in a process in which nobody has chosen who does the cryptography. It is a process of its
//! own, because that choice is made once, and several of our dependencies bring a provider.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reelfleet_db::{DatabaseConfig, Db, Error};
use reelfleet_runtime::Vars;
use reelfleet_servers::{Garbage, Postgres};

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

/// A server with a certificate of an authority that this machine knows nothing of, for one name.
struct Certified {
    _server: Postgres,
    folder: tempfile::TempDir,
    url: String,
}

impl Certified {
    fn for_name(name: &str) -> Certified {
        let key = || KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, key()).unwrap();
        let own = key();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&own, &authority).unwrap();
        let server = Postgres::with_tls(&certificate.pem(), &own.serialize_pem());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("authority.pem"), authority.pem()).unwrap();
        let url = server.create("fleet");
        Certified { _server: server, folder, url }
    }

    /// With the authority's certificate, and without.
    fn urls(&self) -> [String; 2] {
        let authority = self.folder.path().join("authority.pem");
        [format!("{}?sslrootcert={}", self.url, authority.display()), self.url.clone()]
    }
}

fn said(refused: Result<Db, Error>) -> String {
    let error = refused.unwrap_err();
    format!("{error} {error:?}")
}

async fn connect(url: &str, mode: &str) -> Result<Db, Error> {
    let mut vars = Vars::of([("DATABASE_URL", url), ("DB_SSL_MODE", mode)]);
    Db::connect(&DatabaseConfig::from_vars(&mut vars)).await
}

/// `require` hides what is said and asks nobody who listens; `verify-full` wants a known authority
/// and the right name.
#[tokio::test]
async fn what_is_required_of_a_servers_certificate_is_what_the_mode_says() {
    let right = Certified::for_name("127.0.0.1");
    let [known, unknown] = right.urls();
    let refused = said(connect(&unknown, "disable").await);
    assert!(refused.contains("pg_hba.conf"), "{refused}");
    for (url, mode) in [(&unknown, "require"), (&known, "verify-full")] {
        connect(url, mode).await.unwrap().migrate().await.unwrap();
    }
    let refused = said(connect(&unknown, "verify-full").await);
    assert!(refused.contains("UnknownIssuer"), "{refused}");

    let wrong = Certified::for_name("db.example.com");
    let [known, unknown] = wrong.urls();
    connect(&unknown, "require").await.unwrap();
    let refused = said(connect(&known, "verify-full").await);
    assert!(refused.contains("NotValidForName"), "{refused}");
}
