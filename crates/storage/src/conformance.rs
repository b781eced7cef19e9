//! What every storage must do, whatever it is made of. Each test module of a
//! backend runs it against the real thing.

use std::{path::Path, time::Duration};

use reelfleet_job::{FleetId, JobId, VideoId};
use tokio::io::AsyncReadExt;

use crate::{Error, Foreign, Key, Storage};

/// Runs all of it. The storage is empty before and afterwards.
pub(crate) async fn conformance(storage: &Storage) {
    storage.check().await.unwrap();
    assert!(storage.free_bytes().await.unwrap().is_none_or(|free| free > 0));
    a_blob_is_visible_only_once_it_is_published(storage).await;
    a_dropped_upload_leaves_nothing(storage).await;
    a_later_publish_replaces_the_blob_whole(storage).await;
    ranges_are_cut_to_what_is_there(storage).await;
    what_is_not_there_is_told_as_such(storage).await;
    files_go_in_and_come_out(storage).await;
    an_epoch_goes_without_its_neighbours(storage).await;
    sources_are_listed(storage).await;
    a_storage_is_taken_empty_once_and_for_all(storage).await;
    a_live_upload_is_never_swept(storage).await;
}

pub(crate) async fn put(storage: &Storage, key: &Key, bytes: &[u8]) {
    let mut upload = storage.upload(key).await.unwrap();
    upload.write(bytes).await.unwrap();
    upload.publish().await.unwrap();
}

pub(crate) async fn get(storage: &Storage, key: &Key) -> Option<Vec<u8>> {
    range(storage, key, 0, None).await.map(|(bytes, _)| bytes)
}

async fn range(
    storage: &Storage,
    key: &Key,
    start: u64,
    len: Option<u64>,
) -> Option<(Vec<u8>, (u64, u64, u64))> {
    let mut blob = storage.read(key, start, len).await.unwrap()?;
    let mut bytes = Vec::new();
    blob.reader.read_to_end(&mut bytes).await.unwrap();
    Some((bytes, (blob.size, blob.start, blob.len)))
}

async fn a_blob_is_visible_only_once_it_is_published(storage: &Storage) {
    let key = Key::source(VideoId::generate());
    // More than any buffer, in pieces that fit none evenly.
    let whole: Vec<u8> = (0..1_000_003_u32).map(|n| (n % 251) as u8).collect();
    let mut upload = storage.upload(&key).await.unwrap();
    for piece in whole.chunks(77_777) {
        upload.write(piece).await.unwrap();
        assert_eq!(storage.size(&key).await.unwrap(), None);
    }
    assert_eq!(upload.bytes(), whole.len() as u64);
    upload.publish().await.unwrap();
    assert_eq!(storage.size(&key).await.unwrap(), Some(whole.len() as u64));
    assert_eq!(get(storage, &key).await, Some(whole));
    storage.remove(&key).await.unwrap();
}

async fn a_dropped_upload_leaves_nothing(storage: &Storage) {
    let key = Key::source(VideoId::generate());
    let mut upload = storage.upload(&key).await.unwrap();
    upload.write(b"half").await.unwrap();
    drop(upload);
    assert_eq!(storage.remove_abandoned_uploads(Duration::ZERO).await.unwrap(), 0);
    assert!(storage.sources().await.unwrap().is_empty());
}

async fn a_later_publish_replaces_the_blob_whole(storage: &Storage) {
    let key = Key::output(JobId::generate(), 1, "web.mp4").unwrap();
    put(storage, &key, b"the longer one").await;
    // Who reads already reads on what was there.
    let mut before = storage.read(&key, 0, None).await.unwrap().unwrap();
    put(storage, &key, b"short").await;
    let mut bytes = Vec::new();
    before.reader.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"the longer one");
    assert_eq!(get(storage, &key).await.unwrap(), b"short");
    storage.remove(&key).await.unwrap();
}

async fn ranges_are_cut_to_what_is_there(storage: &Storage) {
    let key = Key::source(VideoId::generate());
    put(storage, &key, b"0123456789").await;
    for (start, len, expected) in [
        (0, None, "0123456789"),
        (3, Some(4), "3456"),
        (8, Some(9), "89"),
        (9, None, "9"),
        (10, None, ""),
        (99, Some(1), ""),
        (u64::MAX, Some(u64::MAX), ""),
        (0, Some(0), ""),
    ] {
        let (bytes, (size, from, len_given)) = range(storage, &key, start, len).await.unwrap();
        assert_eq!(bytes, expected.as_bytes(), "{start} {len:?}");
        assert_eq!((size, from, len_given), (10, start.min(10), expected.len() as u64));
    }
    storage.remove(&key).await.unwrap();
}

async fn what_is_not_there_is_told_as_such(storage: &Storage) {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::output(JobId::generate(), 7, "hls/master.m3u8").unwrap();
    assert!(storage.read(&key, 0, None).await.unwrap().is_none());
    assert_eq!(storage.size(&key).await.unwrap(), None);
    storage.remove(&key).await.unwrap();
    storage.remove_epoch(JobId::generate(), 1).await.unwrap();
    let fetched = storage.fetch(&key, &folder.path().join("x")).await;
    assert!(matches!(fetched, Err(Error::Missing)), "{fetched:?}");
    let stored = storage.put_file(Path::new("/nowhere/at/all"), &key).await;
    assert!(matches!(stored, Err(Error::Missing)), "{stored:?}");
}

async fn files_go_in_and_come_out(storage: &Storage) {
    let folder = tempfile::tempdir().unwrap();
    let (made, fetched) = (folder.path().join("made"), folder.path().join("fetched"));
    std::fs::write(&made, b"frames").unwrap();
    let key = Key::output(JobId::generate(), 1, "hls/seg-1.m4s").unwrap();
    storage.put_file(&made, &key).await.unwrap();
    assert_eq!(get(storage, &key).await.unwrap(), b"frames");
    storage.fetch(&key, &fetched).await.unwrap();
    assert_eq!(std::fs::read(&fetched).unwrap(), b"frames");
    // What was fetched stays with its holder when the blob goes.
    storage.remove(&key).await.unwrap();
    assert_eq!(storage.size(&key).await.unwrap(), None);
    assert_eq!(std::fs::read(&fetched).unwrap(), b"frames");
}

async fn an_epoch_goes_without_its_neighbours(storage: &Storage) {
    let (job, other) = (JobId::generate(), JobId::generate());
    for (job, epoch, name) in
        [(job, 1, "web.mp4"), (job, 1, "hls/a.m4s"), (job, 2, "web.mp4"), (other, 1, "web.mp4")]
    {
        put(storage, &Key::output(job, epoch, name).unwrap(), b"x").await;
    }
    let mut epochs = storage.output_epochs().await.unwrap();
    epochs.sort_unstable();
    assert_eq!(epochs, [(job, 1), (job, 2), (other, 1)]);
    storage.remove_epoch(job, 1).await.unwrap();
    let mut epochs = storage.output_epochs().await.unwrap();
    epochs.sort_unstable();
    assert_eq!(epochs, [(job, 2), (other, 1)]);
    // The last file's removal takes the epoch along.
    storage.remove(&Key::output(job, 2, "web.mp4").unwrap()).await.unwrap();
    storage.remove_epoch(other, 1).await.unwrap();
    assert!(storage.output_epochs().await.unwrap().is_empty());
}

async fn sources_are_listed(storage: &Storage) {
    let video = VideoId::generate();
    put(storage, &Key::source(video), b"x").await;
    assert_eq!(storage.sources().await.unwrap(), [video]);
    storage.remove(&Key::source(video)).await.unwrap();
}

async fn a_storage_is_taken_empty_once_and_for_all(storage: &Storage) {
    let (one, two) = (FleetId::generate(), FleetId::generate());
    let take = async |fleet| storage.take_for(fleet).await.unwrap();
    // Blobs of which nobody knows whose they are may be anybody's.
    let source = Key::source(VideoId::generate());
    let output = Key::output(JobId::generate(), 1, "web.mp4").unwrap();
    for blob in [&source, &output] {
        put(storage, blob, b"x").await;
        assert_eq!(take(one).await, Some(Foreign { ours: one, theirs: None }));
        assert_eq!(storage.size(&Key::fleet()).await.unwrap(), None);
        storage.remove(blob).await.unwrap();
    }
    // Of many at once one fleet gets it, and all agree on which.
    let takes = (0..8).map(|n| {
        let storage = storage.clone();
        let fleet = if n % 2 == 0 { one } else { two };
        tokio::spawn(async move { (fleet, storage.take_for(fleet).await.unwrap()) })
    });
    let mut taken = Vec::new();
    for take in takes.collect::<Vec<_>>() {
        taken.push(take.await.unwrap());
    }
    let (owner, other) = if take(one).await.is_none() { (one, two) } else { (two, one) };
    let foreign = Some(Foreign { ours: other, theirs: Some(owner) });
    for (fleet, answer) in taken {
        assert_eq!(answer, if fleet == owner { None } else { foreign });
    }
    // What it holds makes no difference from then on.
    put(storage, &source, b"x").await;
    assert_eq!((take(owner).await, take(other).await), (None, foreign));
    storage.remove(&source).await.unwrap();
    assert_eq!((take(owner).await, take(other).await), (None, foreign));
    // Somebody wrote it by hand, and then something else.
    put(storage, &Key::fleet(), format!("{other}\n").as_bytes()).await;
    assert_eq!(take(other).await, None);
    for strange in ["", "mine", "\u{ff}"] {
        put(storage, &Key::fleet(), strange.as_bytes()).await;
        assert_eq!(take(owner).await, Some(Foreign { ours: owner, theirs: None }), "{strange:?}");
    }
    storage.remove(&Key::fleet()).await.unwrap();
}

async fn a_live_upload_is_never_swept(storage: &Storage) {
    let key = Key::source(VideoId::generate());
    let mut upload = storage.upload(&key).await.unwrap();
    upload.write(b"slow").await.unwrap();
    assert_eq!(storage.remove_abandoned_uploads(Duration::ZERO).await.unwrap(), 0);
    upload.publish().await.unwrap();
    assert_eq!(get(storage, &key).await.unwrap(), b"slow");
    storage.remove(&key).await.unwrap();
}
