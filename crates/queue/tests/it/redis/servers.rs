//! Which servers are taken, and what is said of the others.

use std::time::{Duration, Instant};

use ::redis::cmd;
use reelfleet_db::Db;
use reelfleet_job::Kind;
use reelfleet_queue::{Error, Queue, QueueConfig};
use reelfleet_runtime::Shutdown;
use reelfleet_servers::Redis;

use super::{LONG, Raw, config, one, queue, ring, shared};
use crate::suite::Fixture;

async fn database() -> Fixture {
    Fixture::open(&QueueConfig::Database).await
}

async fn refused(url: &str, db: &Db) -> Error {
    Queue::open(&config(url), db).await.unwrap_err()
}

/// B10: no append-only file, keys that are evicted.
#[tokio::test]
async fn a_server_that_would_lose_messages_is_refused_unless_that_is_allowed() {
    let (server, Fixture { db, .. }) = (Redis::start(), &database().await);
    let url = &server.url(0);
    let mut raw = Raw::of(url).await;
    for (change, back, advice) in [
        ("appendonly no", "appendonly yes", "set `appendonly yes`"),
        (
            "maxmemory-policy allkeys-lru",
            "maxmemory-policy noeviction",
            "set `maxmemory-policy noeviction`",
        ),
        ("maxmemory-policy volatile-ttl", "maxmemory-policy noeviction", "`volatile-ttl`"),
    ] {
        raw.say(&format!("CONFIG SET {change}")).await;
        let error = refused(url, db).await;
        let said = error.to_string();
        assert!(matches!(error, Error::Unfit(_)), "{said}");
        assert!(said.contains(advice) && said.contains("REDIS_ALLOW_DATA_LOSS=true"), "{said}");
        let allowed = QueueConfig::Redis { url: url.clone().into(), allow_data_loss: true };
        ring(&Queue::open(&allowed, db).await.unwrap()).await;
        raw.say(&format!("CONFIG SET {back}")).await;
    }
    ring(&queue(url).await).await;
}

#[tokio::test]
async fn a_user_with_few_rights_is_enough_and_one_without_info_needs_the_risk_allowed() {
    let (server, Fixture { db, .. }) = (Redis::start(), &database().await);
    let mut raw = Raw::of(&server.url(0)).await;
    // No CONFIG, as with managed services, and no CLIENT UNBLOCK.
    let rights = "on >hunter2 ~{reelfleet}:* +@stream +evalsha +script|load +select";
    raw.say(&format!("ACL SETUSER few {rights} +info")).await;
    raw.say(&format!("ACL SETUSER fewer {rights}")).await;
    let url = |user: &str| server.url(0).replace("127.0.0.1", &format!("{user}:hunter2@127.0.0.1"));

    let few = queue(&url("few")).await;
    let job = ring(&few).await;
    let delivery = one(&few).await;
    assert_eq!(delivery.message.job, job);
    few.ack(&[delivery.receipt]).await.unwrap();
    let shutdown = Shutdown::new();
    let waiting = tokio::spawn({
        let (few, shutdown) = (few.clone(), shutdown.clone());
        async move { few.receive(Kind::Transcode, 0, 1, LONG, &shutdown).await.unwrap() }
    });
    tokio::task::yield_now().await;
    let began = Instant::now();
    shutdown.start_drain();
    assert!(waiting.await.unwrap().is_empty());
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    let said = refused(&url("fewer"), db).await.to_string();
    assert!(said.contains("allow INFO") && !said.contains("hunter2"), "{said}");
    let allowed = QueueConfig::Redis { url: url("fewer").into(), allow_data_loss: true };
    ring(&Queue::open(&allowed, db).await.unwrap()).await;
}

#[tokio::test]
async fn errors_say_what_to_do_and_never_the_password() {
    let (server, Fixture { db, .. }) = (Redis::start(), &database().await);
    Raw::of(&server.url(0)).await.say("CONFIG SET requirepass right").await;
    let plain = server.url(0);
    let with = |password: &str| plain.replace("127.0.0.1", &format!(":{password}@127.0.0.1"));
    ring(&Queue::open(&config(&with("right")), db).await.unwrap()).await;
    let nobody = with("hunter2").replace(&format!(":{}/", server.port()), ":1/");
    for (url, advice) in [
        (plain.clone(), "check the user and the password in REDIS_URL"),
        (with("hunter2"), "check the user and the password in REDIS_URL"),
        (nobody, "no Redis listens there"),
        // Not TLS on the other side: an error, and no panic over who does the cryptography.
        (with("hunter2").replace("redis://", "rediss://"), "127.0.0.1"),
        ("redis://:hunter2@host:port".to_owned(), "REDIS_URL"),
    ] {
        let error = refused(&url, db).await;
        let said = format!("{error} {error:?}");
        assert!(said.contains(advice) && !said.contains("hunter2"), "{url}: {said}");
    }
    let right = Queue::open(&config(&with("right")), db).await.unwrap();
    assert!(!format!("{right:?}").contains("right"), "{right:?}");
}

#[tokio::test]
async fn a_process_has_one_connection_and_one_for_each_receive_that_waits_at_once() {
    let url = shared();
    let queue = queue(&url).await;
    let mut raw = Raw::of(&url).await;
    for _ in 0..3 {
        let wait = Duration::from_millis(50);
        let two = [0, 1].map(|turn| {
            let queue = queue.clone();
            let wait = async move {
                queue.receive(Kind::Transcode, turn, 1, wait, &Shutdown::new()).await
            };
            tokio::spawn(wait)
        });
        for one in two {
            assert!(one.await.unwrap().unwrap().is_empty());
        }
    }
    let clients: String = raw.ask(cmd("CLIENT").arg("LIST")).await;
    let (_, database) = url.rsplit_once('/').unwrap();
    let ours = clients.lines().filter(|line| line.contains(&format!(" db={database} "))).count();
    assert!(ours <= 4, "with the one that asks: {clients}");
}
