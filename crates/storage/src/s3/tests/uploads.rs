use reelfleet_job::{JobId, VideoId};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::{
    super::{upload::AT_ONCE, *},
    *,
};
use crate::conformance::get;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_in_small_chunks_never_holds_more_than_a_few_parts() {
    let s3 = shared().await;
    let key = Key::source(VideoId::generate());
    let chunk: Vec<u8> = (0..50_000_u32).map(|n| (n % 249) as u8).collect();
    let (whole, mut most) = (100 << 20, 0);
    let mut upload = s3.upload(&key);
    while upload.bytes() < whole {
        upload.write(&chunk).await.unwrap();
        // Each place that is taken is a part on its way, or the one that is being filled.
        most = most.max(ROOM - s3.room.available_permits());
        assert_eq!(upload.buffered(), SMALLEST);
    }
    assert_eq!(left(&s3).await, (vec![], 1));
    let bytes = upload.bytes();
    upload.publish().await.unwrap();
    assert!((2..=AT_ONCE + 1).contains(&most), "{most} at once");
    assert_eq!(s3.room.available_permits(), ROOM);
    assert_eq!(s3.size(&key).await.unwrap(), Some(bytes));
    assert_eq!(left(&s3).await, (vec![key.to_string()], 0));

    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("in");
    s3.fetch(&key, &to).await.unwrap();
    let fetched = std::fs::read(&to).unwrap();
    assert!(fetched.chunks(chunk.len()).all(|piece| piece == chunk));
    assert_eq!(fetched.len() as u64, bytes);
}

/// Room for three parts, whoever they belong to.
async fn narrow(patience: Patience) -> S3 {
    let endpoint = SHARED.endpoint();
    let mut s3 = on(&endpoint, &bucket(&endpoint).await, patience).await;
    s3.room = Arc::new(Semaphore::new(3));
    s3
}

#[tokio::test(flavor = "multi_thread")]
async fn all_uploads_together_hold_no_more_parts_than_there_is_room_for_and_all_go_on() {
    let s3 = narrow(Patience::default()).await;
    let mut uploads: Vec<_> =
        (0..5).map(|_| s3.upload(&Key::source(VideoId::generate()))).collect();
    let mut waiting = 0;
    for upload in &mut uploads {
        // Looked at once: it either takes its room or waits for it.
        let written = timeout(Duration::ZERO, upload.write(b"x")).await;
        waiting += usize::from(written.is_err());
        assert_eq!(upload.buffered(), if written.is_err() { 0 } else { SMALLEST });
    }
    assert_eq!((waiting, s3.room.available_permits()), (2, 0));
    // One that is given up makes room, and so does one that is published.
    drop(uploads.remove(0));
    uploads.remove(0).publish().await.unwrap();
    for upload in &mut uploads {
        timeout(BOUND, upload.write(b"x")).await.expect("no room").unwrap();
    }
    drop(uploads);
    assert_eq!(s3.room.available_permits(), 3);

    // More of them than there is room for, each with more parts than that.
    let whole: Vec<u8> = [two_parts_and_a_bit(), two_parts_and_a_bit()].concat();
    let sending = (0..6).map(|_| {
        let (s3, whole, key) = (s3.clone(), whole.clone(), Key::source(VideoId::generate()));
        tokio::spawn(async move {
            put(&s3, &key, &whole).await;
            assert!(get(&storage(&s3), &key).await.unwrap() == whole);
        })
    });
    for sent in sending.collect::<Vec<_>>() {
        timeout(BOUND, sent).await.expect("they block each other").unwrap();
    }
    assert_eq!(s3.room.available_permits(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_finds_no_room_for_long_is_an_error_and_holds_nothing() {
    let s3 = narrow(hasty()).await;
    let mut slow: Vec<_> = (0..3).map(|_| s3.upload(&Key::source(VideoId::generate()))).collect();
    for upload in &mut slow {
        upload.write(b"x").await.unwrap();
    }
    let mut late = s3.upload(&Key::source(VideoId::generate()));
    let refused = timeout(BOUND, late.write(b"x")).await.expect("no bound").unwrap_err();
    assert!(matches!(refused, Error::Unavailable(_)), "{refused:?}");
    assert_eq!(late.buffered(), 0);
}

/// E1: multipart uploads are aborted.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_dropped_half_way_leaves_nothing() {
    let s3 = shared().await;
    let half = two_parts_and_a_bit();
    // Right after a part was handed over, and when it has been sent.
    for sent in [false, true] {
        let mut upload = s3.upload(&Key::source(VideoId::generate()));
        upload.write(&half).await.unwrap();
        if sent {
            eventually("begun", async || left(&s3).await.1 == 1).await;
        }
        drop(upload);
        eventually("taken back", async || s3.room.available_permits() == ROOM).await;
        eventually("nothing left", async || left(&s3).await == (vec![], 0)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_several_parts_is_stored_as_it_is() {
    let s3 = shared().await;
    let folder = tempfile::tempdir().unwrap();
    let (made, fetched) = (folder.path().join("made"), folder.path().join("fetched"));
    // The last one ends where a part ends.
    for len in [0, 1, SMALLEST, SMALLEST + 1, 2 * SMALLEST] {
        let bytes = &two_parts_and_a_bit()[..len];
        std::fs::write(&made, bytes).unwrap();
        let key = Key::output(JobId::generate(), 1, "web.mp4").unwrap();
        s3.put_file(&made, &key).await.unwrap();
        s3.fetch(&key, &fetched).await.unwrap();
        assert!(std::fs::read(&fetched).unwrap() == bytes, "{len}");
        std::fs::remove_file(&fetched).unwrap();
        s3.remove(&key).await.unwrap();
    }
    assert_eq!(left(&s3).await, (vec![], 0));
}

/// E1: a wrong checksum, writing.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_part_is_refused() {
    let s3 = shared().await;
    let key = Key::source(VideoId::generate()).to_string();
    let id = s3.create(&key).await.unwrap();
    let send = |bytes: &[u8]| {
        let sum = parts::encode(Sha256::new_with_prefix(bytes));
        let send = s3.client.upload_part().bucket(&*s3.bucket).key(&key).upload_id(&id);
        send.part_number(1).checksum_sha256(sum).body(b"frames".to_vec().into()).send()
    };
    let refused = send(b"flames").await.unwrap_err();
    assert!(text(&s3.failed(refused)).contains("BadDigest"));
    send(b"frames").await.unwrap();
    s3.abort(&key, &id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_uploads_that_brought_nothing_for_long_are_collected() {
    let mut s3 = shared().await;
    let begin = async |s3: &S3| {
        let key = Key::source(VideoId::generate()).to_string();
        (s3.create(&key).await.unwrap(), key)
    };
    let (empty, with_part) = (begin(&s3).await, begin(&s3).await);
    let part = s3.client.upload_part().bucket(&*s3.bucket).part_number(1);
    let part = part.key(&with_part.1).upload_id(&with_part.0).body(b"half".to_vec().into());
    part.send().await.unwrap();
    s3.client.create_multipart_upload().bucket(&*s3.bucket).key("notes").send().await.unwrap();

    // Whatever the caller says, these may be alive.
    assert_eq!(s3.remove_abandoned_uploads(Duration::ZERO).await.unwrap(), 0);
    s3.dead_after = Duration::ZERO;
    let hour = Duration::from_secs(3600);
    assert_eq!(s3.remove_abandoned_uploads(hour).await.unwrap(), 0);
    assert_eq!(s3.remove_abandoned_uploads(Duration::ZERO).await.unwrap(), 2);
    let listed = s3.client.list_multipart_uploads().bucket(&*s3.bucket).send().await.unwrap();
    let keys: Vec<_> = listed.uploads().iter().filter_map(|upload| upload.key()).collect();
    assert_eq!(keys, ["notes"], "{empty:?}");
}

/// E1: parts that are lost, slow beyond bound.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_frozen_in_mid_upload_is_an_error_in_time_and_no_end() {
    let mut server = Ministack::start();
    let name = bucket(&server.endpoint()).await;
    let s3 = on(&server.endpoint(), &name, hasty()).await;
    let key = Key::source(VideoId::generate());
    let whole = two_parts_and_a_bit();
    let mut upload = s3.upload(&key);
    upload.write(&whole).await.unwrap();
    server.freeze();
    let frozen = timeout(BOUND, async {
        loop {
            upload.write(&whole).await?;
        }
        #[expect(unreachable_code, reason = "it names the type")]
        Ok::<(), Error>(())
    });
    let failed = frozen.await.expect("no bound").unwrap_err();
    assert!(matches!(failed, Error::Unavailable(_)), "{failed:?}");
    // It stays failed.
    assert!(upload.publish().await.is_err());
    server.thaw();

    let s3 = on(&server.endpoint(), &name, Patience::default()).await;
    put(&s3, &key, &whole).await;
    assert!(get(&storage(&s3), &key).await.unwrap() == whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_frozen_at_the_end_is_an_error_in_time() {
    let mut server = Ministack::start();
    let name = bucket(&server.endpoint()).await;
    let s3 = on(&server.endpoint(), &name, hasty()).await;
    let (small, large) = (Key::source(VideoId::generate()), Key::source(VideoId::generate()));
    let mut uploads = [s3.upload(&small), s3.upload(&large)];
    uploads[0].write(b"small").await.unwrap();
    uploads[1].write(&two_parts_and_a_bit()).await.unwrap();
    // Each holds the part that it fills.
    eventually("sent", async || s3.room.available_permits() == ROOM - 2).await;
    server.freeze();
    for upload in uploads {
        let published = timeout(BOUND, upload.publish()).await.expect("no bound");
        assert!(matches!(published, Err(Error::Unavailable(_))), "{published:?}");
    }
    server.thaw();
}
