use reelfleet_job::{JobId, VideoId};
use tokio::task::JoinSet;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn more_than_one_page_is_listed_and_removed() {
    let s3 = shared().await;
    let (large, small, other) = (JobId::generate(), JobId::generate(), JobId::generate());
    let mut keys: Vec<Key> = (0..2_150)
        .map(|n| Key::output(large, 1, &format!("hls/seg-{n:04}.m4s")).unwrap())
        .collect();
    for (job, epoch) in [(large, 2), (large, 10), (small, 1), (small, 2), (other, 7)] {
        keys.push(Key::output(job, epoch, "web.mp4").unwrap());
    }
    let mut putting = JoinSet::new();
    for keys in keys.chunks(200) {
        let (s3, keys) = (s3.clone(), keys.to_vec());
        putting.spawn(async move {
            for key in keys {
                put(&s3, &key, b"x").await;
            }
        });
    }
    putting.join_all().await;

    let epochs = async || {
        let mut epochs = s3.output_epochs().await.unwrap();
        epochs.sort_unstable();
        epochs
    };
    let mut expected =
        vec![(large, 1), (large, 2), (large, 10), (small, 1), (small, 2), (other, 7)];
    expected.sort_unstable();
    assert_eq!(epochs().await, expected);

    s3.remove_epoch(large, 1).await.unwrap();
    expected.retain(|epoch| *epoch != (large, 1));
    assert_eq!(epochs().await, expected);
    s3.remove_job(large).await.unwrap();
    s3.remove_job(small).await.unwrap();
    assert_eq!(epochs().await, [(other, 7)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_in_the_bucket_are_left_alone() {
    let s3 = shared().await;
    let job = JobId::generate();
    let video = VideoId::generate();
    let strays = [
        "notes".to_owned(),
        "outputs/notes/1/x".to_owned(),
        format!("outputs/{job}/01/x"),
        "sources/movie.mp4".to_owned(),
        format!("sources/{video}/x"),
    ];
    for stray in &strays {
        let put = s3.client.put_object().bucket(&*s3.bucket).key(stray);
        put.body(b"x".to_vec().into()).send().await.unwrap();
    }
    assert_eq!(s3.output_epochs().await.unwrap(), []);
    assert_eq!(s3.sources().await.unwrap(), []);
    s3.remove_epoch(job, 1).await.unwrap();
    assert_eq!(left(&s3).await.0.len(), strays.len());
}
