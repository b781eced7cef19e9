//! S3 answers, and what it says is that it cannot now.

use std::sync::atomic::Ordering;

use reelfleet_job::VideoId;
use tokio::time::timeout;

use super::{
    super::*,
    proxy::{Faults, proxy},
    *,
};

/// E1: 503 `SlowDown`.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_asks_for_a_slower_pace_is_asked_again_and_not_for_ever() {
    let endpoint = SHARED.endpoint();
    let bucket = bucket(&endpoint).await;
    let near = on(&endpoint, &bucket, Patience::default()).await;
    let faults = Faults::default();
    let way = proxy(&endpoint, faults.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let (made, fetched) = (folder.path().join("made"), folder.path().join("fetched"));
    let whole = two_parts_and_a_bit();
    std::fs::write(&made, &whole).unwrap();
    let key = Key::source(VideoId::generate());

    // Once or twice each is nothing.
    let far = on(&way, &bucket, Patience { tries: 3, ..hasty() }).await;
    faults.busy.store(2, Ordering::SeqCst);
    far.put_file(&made, &key).await.unwrap();
    faults.busy.store(2, Ordering::SeqCst);
    far.fetch(&key, &fetched).await.unwrap();
    assert!(std::fs::read(&fetched).unwrap() == whole);
    std::fs::remove_file(&fetched).unwrap();
    assert_eq!(faults.slowed.swap(0, Ordering::SeqCst), 4);

    // It never gets better: an error that says so, after as many tries as there are.
    faults.busy.store(usize::MAX, Ordering::SeqCst);
    let asked = timeout(BOUND, far.size(&key)).await.expect("no bound").unwrap_err();
    assert!(text(&asked).contains("503"), "{asked:?}");
    assert_eq!(faults.slowed.load(Ordering::SeqCst), 3);
    let fetch = timeout(BOUND, far.fetch(&key, &fetched)).await.expect("no bound").unwrap_err();
    assert!(text(&fetch).contains("503, SlowDown"), "{fetch:?}");
    assert!(!fetched.exists());
    let other = Key::source(VideoId::generate());
    let put = timeout(BOUND, far.put_file(&made, &other)).await.expect("no bound").unwrap_err();
    assert!(matches!(put, Error::Unavailable(_)) && text(&put).contains("SlowDown"), "{put:?}");
    faults.busy.store(0, Ordering::SeqCst);
    assert_eq!(left(&near).await, (vec![key.to_string()], 0));
}
