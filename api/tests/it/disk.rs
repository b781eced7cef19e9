use std::{
    path::{Path, PathBuf},
    process::Command,
};

use reelfleet_runtime::Clock;

use crate::{
    app::{App, eventually},
    forms::form,
};

/// A small disk of its own.
struct SmallDisk(PathBuf);

fn run(words: &[&str], path: &Path) -> bool {
    // Without being root, sudo may allow it, as it does on CI machines.
    let is_root = rustix::process::geteuid().is_root();
    let words: Vec<&str> = if is_root { words.to_vec() } else { [&["sudo", "-n"], words].concat() };
    #[expect(clippy::disallowed_methods, reason = "tests mount their own disks")]
    Command::new(words[0]).args(&words[1..]).arg(path).status().is_ok_and(|status| status.success())
}

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let mounted = run(&["mount", "-t", "tmpfs", "-o", "size=24m,mode=0777", "tmpfs"], at);
        assert!(
            mounted,
            "the right to mount a file system is missing: run this as root or with sudo"
        );
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there loses it in his own time.
        run(&["umount", "-l"], &self.0);
    }
}

/// A6.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_in_mid_upload_refuses_it_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("small");
    let _disk = SmallDisk::mount(&blobs);
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
