//! S3 as the emulator speaks it. What it does not check, as the least size of a part, is not tested here.

mod busy;
mod lists;
mod proxy;
mod reads;
mod signed;
mod uploads;

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reelfleet_aws::{AccessKey, AwsConfig};
use reelfleet_servers::Ministack;

use super::{Patience, S3, client, parts::SMALLEST};
use crate::{Backend, Error, Key, S3Config, Storage, conformance::conformance};

/// One emulator for those who do not freeze it. It ends with the process.
static SHARED: LazyLock<Ministack> = LazyLock::new(Ministack::start);

/// Numbers the buckets.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// More than two parts, of which none is like another.
fn two_parts_and_a_bit() -> Vec<u8> {
    (0..2 * SMALLEST + 12_345).map(|n| (n % 65_521 % 251) as u8).collect()
}

fn config(endpoint: &str, bucket: &str) -> S3Config {
    S3Config {
        bucket: bucket.to_owned(),
        aws: AwsConfig { endpoint: Some(endpoint.to_owned()), ..SHARED.aws() },
    }
}

/// Gives up soon.
fn hasty() -> Patience {
    Patience {
        connect: Duration::from_secs(1),
        answer: Duration::from_secs(2),
        complete: Duration::from_secs(3),
        stall: Duration::from_secs(1),
        room: Duration::from_secs(2),
        backoff: Duration::from_millis(10),
        tries: 2,
    }
}

/// Longer than every bound that `hasty` has, taken together.
const BOUND: Duration = Duration::from_secs(60);

/// A bucket of its own.
async fn bucket(endpoint: &str) -> String {
    let name = format!("videos-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let client = client::connect(&config(endpoint, &name), &Patience::default()).await.unwrap();
    client.create_bucket().bucket(&name).send().await.unwrap();
    name
}

async fn on(endpoint: &str, bucket: &str, patience: Patience) -> S3 {
    S3::patient(&config(endpoint, bucket), patience).await.unwrap()
}

async fn shared() -> S3 {
    let endpoint = SHARED.endpoint();
    on(&endpoint, &bucket(&endpoint).await, Patience::default()).await
}

fn storage(s3: &S3) -> Storage {
    Storage { backend: Backend::S3(s3.clone()) }
}

async fn put(s3: &S3, key: &Key, bytes: &[u8]) {
    crate::conformance::put(&storage(s3), key, bytes).await;
}

/// Keys that are there, and uploads that are not complete.
async fn left(s3: &S3) -> (Vec<String>, usize) {
    let listed = s3.client.list_objects_v2().bucket(&*s3.bucket).send().await.unwrap();
    let uploads = s3.client.list_multipart_uploads().bucket(&*s3.bucket).send().await.unwrap();
    let keys = listed.contents().iter().map(|object| object.key().unwrap().to_owned());
    (keys.collect(), uploads.uploads().len())
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn text(error: &Error) -> String {
    format!("{error} {error:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_conforms_and_is_empty_afterwards() {
    let s3 = shared().await;
    conformance(&storage(&s3)).await;
    eventually("empty", async || left(&s3).await == (vec![], 0)).await;
    assert_eq!(storage(&s3).free_bytes().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_named_at_start_and_later() {
    let endpoint = SHARED.endpoint();
    let error = Storage::s3(&config(&endpoint, "none-such")).await.unwrap_err();
    assert!(text(&error).contains("there is no bucket `none-such`"), "{error}");

    let s3 = shared().await;
    s3.client.delete_bucket().bucket(&*s3.bucket).send().await.unwrap();
    let key = Key::source(reelfleet_job::VideoId::generate());
    for error in [
        s3.size(&key).await.unwrap_err(),
        s3.read(&key, 0, None).await.unwrap_err(),
        s3.output_epochs().await.unwrap_err(),
        s3.check().await.unwrap_err(),
        s3.upload(&key).publish().await.unwrap_err(),
    ] {
        let said = text(&error);
        assert!(said.contains(&format!("there is no bucket `{}`", s3.bucket)), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_without_a_secret() {
    let mut config = config("http://127.0.0.1:9", "videos");
    config.aws.access_key = Some(AccessKey {
        id: "hunter2".into(),
        secret: "hunter3".into(),
        session_token: Some("hunter4".into()),
    });
    let error = S3::patient(&config, hasty()).await.unwrap_err();
    let said = text(&error);
    assert!(said.contains("`videos`") && !said.contains("hunter"), "{said}");
}
