use reelfleet_runtime::Clock;
use reelfleet_servers::SmallDisk;

use crate::{
    app::{App, eventually},
    forms::form,
};

/// A6.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_in_mid_upload_refuses_it_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("small");
    std::fs::create_dir_all(&blobs).unwrap();
    let _disk = SmallDisk::mount(&blobs, "24m");
    let app = App::on(folder, &blobs, Clock::system(), |_| {}).await;
    let ann = app.user("ann").await;
    let full = vec![7; 30 << 20];
    let (media_type, in_form) = form(&[("file", Some("a.mp4"), &full)]);
    let raw = || app.post("/api/videos").signed(&ann).header("content-type", "video/mp4");
    let temporary = || std::fs::read_dir(blobs.join("tmp")).unwrap().count();

    // With a length it is refused before it begins, without one when the disk is full.
    let declared = raw().body(full.clone()).await;
    assert_eq!(declared.problem(), (507, "disk_full".to_owned()));
    for (media_type, body) in [("video/mp4", full.into()), (&*media_type, in_form)] {
        let ask = app.post("/api/videos").signed(&ann).header("content-type", media_type);
        let chunks: Vec<_> = (0..body.len())
            .step_by(1 << 16)
            .map(|n| body.slice(n..body.len().min(n + (1 << 16))))
            .collect();
        let streamed = ask.stream(futures_util::stream::iter(chunks)).await;
        assert_eq!(streamed.problem(), (507, "disk_full".to_owned()), "{media_type}");
        assert_eq!(temporary(), 0, "{media_type}");
    }
    assert_eq!(app.videos(&ann).await.len(), 0);

    let filler = blobs.join("filler");
    std::fs::write(&filler, vec![1; 20 << 20]).unwrap();
    assert_eq!(app.get("/ready").await.problem(), (503, "not_ready".to_owned()));
    std::fs::remove_file(&filler).unwrap();
    eventually("it is ready again", async || app.get("/ready").await.status == 200).await;
    assert_eq!(raw().body("frames").await.status, 202);
}
