use std::{path::PathBuf, sync::atomic::Ordering};

use reelfleet_job::VideoId;
use tokio::{io::AsyncReadExt, time::timeout};

use super::{
    super::*,
    proxy::{Faults, proxy},
    *,
};

/// A blob of several parts, and a way to it that fails.
async fn far_blob() -> (S3, Faults, Key, Vec<u8>) {
    let endpoint = SHARED.endpoint();
    let bucket = bucket(&endpoint).await;
    let near = on(&endpoint, &bucket, Patience::default()).await;
    let (key, whole) = (Key::source(VideoId::generate()), two_parts_and_a_bit());
    put(&near, &key, &whole).await;
    let faults = Faults::default();
    let far = on(&proxy(&endpoint, faults.clone()).await, &bucket, hasty()).await;
    (far, faults, key, whole)
}

fn target() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("in");
    (folder, to)
}

/// E1: a read that is cut.
#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_goes_on_where_the_connection_was_cut() {
    let (s3, faults, key, whole) = far_blob().await;
    let (_folder, to) = target();
    faults.cut_after.store(3_000_000, Ordering::SeqCst);
    faults.cuts.store(4, Ordering::SeqCst);
    s3.fetch(&key, &to).await.unwrap();
    assert!(std::fs::read(&to).unwrap() == whole);
    assert_eq!(faults.cut.load(Ordering::SeqCst), 4);
}

/// E1: a bound on tries.
#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_never_gets_on_is_given_up_and_leaves_no_file() {
    let (s3, faults, key, _) = far_blob().await;
    let (_folder, to) = target();
    // Enough for the head of an answer.
    faults.cut_after.store(2_000, Ordering::SeqCst);
    faults.cuts.store(usize::MAX, Ordering::SeqCst);
    let fetched = timeout(Duration::from_secs(60), s3.fetch(&key, &to)).await.expect("no bound");
    assert!(matches!(fetched, Err(Error::Unavailable(_))), "{fetched:?}");
    assert!(!to.exists());
}

/// E1: a wrong checksum, reading.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_damaged_on_the_way_is_refused() {
    let (s3, faults, key, _) = far_blob().await;
    let (_folder, to) = target();
    faults.damage.store(11_000_000, Ordering::SeqCst);
    let fetched = s3.fetch(&key, &to).await.unwrap_err();
    assert!(text(&fetched).contains("is not what was stored"), "{fetched:?}");
    assert!(!to.exists());
}

/// E3.
#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_replaced_in_mid_fetch_is_not_mixed() {
    let (s3, _, key, whole) = far_blob().await;
    let (_folder, to) = target();
    let Ok(read::Got::Bytes(first)) = s3.get(&key, None, None).await else { panic!("missing") };
    put(&s3, &key, &vec![1; whole.len()]).await;
    let resumed = s3.get(&key, Some("bytes=5-".to_owned()), first.e_tag()).await;
    assert!(resumed.is_err());
    assert!(s3.fetch(&key, &to).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_over_a_file_that_is_there() {
    let s3 = shared().await;
    let (_folder, to) = target();
    let key = Key::source(VideoId::generate());
    put(&s3, &key, b"frames").await;
    std::fs::write(&to, b"mine").unwrap();
    assert!(s3.fetch(&key, &to).await.is_err());
    assert_eq!(std::fs::read(&to).unwrap(), b"mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_frozen_in_mid_read_is_an_error_in_time() {
    let mut server = Ministack::start();
    let name = bucket(&server.endpoint()).await;
    let s3 = on(&server.endpoint(), &name, hasty()).await;
    let key = Key::source(VideoId::generate());
    // More than what the kernel takes in for us.
    let whole = vec![7; 32 << 20];
    put(&on(&server.endpoint(), &name, Patience::default()).await, &key, &whole).await;
    let mut blob = s3.read(&key, 1, None).await.unwrap().unwrap();
    let mut some = vec![0; 100_000];
    blob.reader.read_exact(&mut some).await.unwrap();
    server.freeze();
    let mut nowhere = tokio::io::sink();
    let rest = tokio::io::copy(&mut blob.reader, &mut nowhere);
    assert!(timeout(Duration::from_secs(30), rest).await.expect("no bound").is_err());
    let again = timeout(Duration::from_secs(30), s3.read(&key, 0, None)).await.expect("no bound");
    assert!(matches!(again, Err(Error::Unavailable(_))), "{again:?}");
    server.thaw();
}
