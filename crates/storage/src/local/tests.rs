use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use reelfleet_job::{JobId, VideoId};

use crate::{
    Error, Key, Storage,
    conformance::{conformance, get, put},
};

/// Every file and folder below, but for the three at the top.
fn entries(root: &Path) -> Vec<String> {
    let mut found: Vec<String> = ["sources", "outputs", "tmp"]
        .iter()
        .flat_map(|top| fs::read_dir(root.join(top)).unwrap())
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_folder_conforms_and_is_empty_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::local(&folder.path().join("made/on/the/way")).await.unwrap();
    conformance(&storage).await;
    assert_eq!(entries(&folder.path().join("made/on/the/way")), [""; 0]);
}

/// E4: links.
#[tokio::test]
async fn a_link_in_the_way_is_not_followed() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let storage = Storage::local(folder.path()).await.unwrap();
    fs::create_dir(outside.path().join("1")).unwrap();
    fs::write(outside.path().join("1/secret"), b"secret").unwrap();
    fs::write(outside.path().join("secret"), b"secret").unwrap();
    let (job, video) = (JobId::generate(), VideoId::generate());
    symlink(outside.path(), folder.path().join(format!("outputs/{job}"))).unwrap();
    symlink(outside.path().join("secret"), folder.path().join(format!("sources/{video}"))).unwrap();

    let through = Key::output(job, 1, "secret").unwrap();
    for key in [&through, &Key::source(video)] {
        assert!(storage.read(key, 0, None).await.is_err(), "{key}");
        assert!(storage.fetch(key, &outside.path().join("fetched")).await.is_err(), "{key}");
    }
    let mut upload = storage.upload(&through).await.unwrap();
    upload.write(b"mine").await.unwrap();
    assert!(upload.publish().await.is_err());
    assert!(storage.remove(&through).await.is_err());
    assert!(storage.remove_epoch(job, 1).await.is_err());
    assert!(storage.output_epochs().await.unwrap().is_empty());
    assert!(storage.sources().await.unwrap().is_empty());
    assert_eq!(fs::read(outside.path().join("1/secret")).unwrap(), b"secret");

    // A publish over a link replaces the link, not what it leads to.
    put(&storage, &Key::source(video), b"frames").await;
    assert_eq!(get(&storage, &Key::source(video)).await.unwrap(), b"frames");
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
}

#[tokio::test]
async fn a_tool_cannot_have_a_link_stored_in_place_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::local(&folder.path().join("blobs")).await.unwrap();
    let made = folder.path().join("web.mp4");
    symlink("/etc/passwd", &made).unwrap();
    let key = Key::output(JobId::generate(), 1, "web.mp4").unwrap();
    assert!(storage.put_file(&made, &key).await.is_err());
    assert!(storage.put_file(folder.path(), &key).await.is_err());
    assert_eq!(storage.size(&key).await.unwrap(), None);
}

#[tokio::test]
async fn fetching_costs_no_space_on_the_same_file_system() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::local(&folder.path().join("blobs")).await.unwrap();
    let video = VideoId::generate();
    put(&storage, &Key::source(video), b"frames").await;
    let to = folder.path().join("input");
    storage.fetch(&Key::source(video), &to).await.unwrap();
    assert_eq!(fs::metadata(&to).unwrap().nlink(), 2);
    // A second fetch to the same place is a mistake, and nothing is overwritten.
    assert!(storage.fetch(&Key::source(video), &to).await.is_err());
}

/// E4: a crash before the rename.
#[tokio::test]
async fn what_a_dead_process_left_is_removed_once_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::local(folder.path()).await.unwrap();
    let left = folder.path().join("tmp/left-behind");
    fs::write(&left, b"half").unwrap();
    assert_eq!(storage.remove_abandoned_uploads(Duration::from_secs(3600)).await.unwrap(), 0);
    let live = storage.upload(&Key::source(VideoId::generate())).await.unwrap();
    assert_eq!(storage.remove_abandoned_uploads(Duration::ZERO).await.unwrap(), 1);
    assert!(!left.exists());
    live.publish().await.unwrap();
}

#[tokio::test]
async fn neighbours_that_come_and_go_do_not_disturb_a_publish() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::local(folder.path()).await.unwrap();
    let job = JobId::generate();
    let churn = |epoch: u64| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let key = Key::output(job, epoch, "hls/a.m4s").unwrap();
            for _ in 0..30 {
                put(&storage, &key, b"x").await;
                storage.remove_epoch(job, epoch).await.unwrap();
            }
        })
    };
    for task in [churn(1), churn(2), churn(3)] {
        task.await.unwrap();
    }
    assert_eq!(entries(folder.path()), [""; 0]);
}

#[tokio::test]
async fn strangers_in_the_folder_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::local(folder.path()).await.unwrap();
    let job = JobId::generate();
    for stray in ["outputs/notes", &format!("outputs/{job}/01"), &format!("outputs/{job}/x")] {
        fs::create_dir_all(folder.path().join(stray)).unwrap();
    }
    fs::write(folder.path().join("sources/movie.mp4"), b"x").unwrap();
    assert!(storage.output_epochs().await.unwrap().is_empty());
    assert!(storage.sources().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_an_error_at_start() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), b"x").unwrap();
    let opened = Storage::local(&folder.path().join("file/blobs")).await;
    assert!(matches!(opened, Err(Error::Unavailable(_))), "{opened:?}");
}

#[cfg(target_os = "linux")]
mod on_another_file_system {
    use reelfleet_servers::SmallDisk;

    use super::*;

    /// A folder that is a file system of four MiB; unmounted before the folder goes.
    fn small() -> (SmallDisk, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (SmallDisk::mount(folder.path(), "4m"), folder)
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_nothing_half_written_stays() {
        let (_mounted, disk) = small();
        let blobs = disk.path().join("blobs");
        let storage = Storage::local(&blobs).await.unwrap();
        assert!(matches!(storage.check().await, Err(Error::DiskFull)));
        let key = Key::source(VideoId::generate());
        let mut upload = storage.upload(&key).await.unwrap();
        let mut result = Ok(());
        while result.is_ok() && upload.bytes() < 16 << 20 {
            result = upload.write(&[1; 65536]).await;
        }
        assert!(matches!(result, Err(Error::DiskFull)), "{result:?}");
        drop(upload);
        assert_eq!(storage.size(&key).await.unwrap(), None);
        // It works again by itself, and the temporary file gave its space back.
        put(&storage, &key, &vec![1; 3 << 20]).await;

        // A result that does not fit, from another file system.
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("big"), vec![1; 2 << 20]).unwrap();
        let output = Key::output(JobId::generate(), 1, "web.mp4").unwrap();
        let stored = storage.put_file(&folder.path().join("big"), &output).await;
        assert!(matches!(stored, Err(Error::DiskFull)), "{stored:?}");
        assert!(folder.path().join("big").exists());
        assert_eq!(entries(&blobs).len(), 1);
    }

    /// E4: from another device.
    #[tokio::test]
    async fn files_cross_file_systems_by_copy() {
        let (_mounted, disk) = small();
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::local(folder.path()).await.unwrap();
        let made = disk.path().join("made");
        fs::write(&made, b"frames").unwrap();
        let key = Key::output(JobId::generate(), 1, "web.mp4").unwrap();
        storage.put_file(&made, &key).await.unwrap();
        assert!(!made.exists());
        storage.fetch(&key, &disk.path().join("fetched")).await.unwrap();
        assert_eq!(fs::read(disk.path().join("fetched")).unwrap(), b"frames");
        // A copy that does not fit leaves nothing behind either.
        put(&storage, &Key::source(VideoId::generate()), b"x").await;
        let big = Key::source(VideoId::generate());
        put(&storage, &big, &vec![1; 5 << 20]).await;
        let to = disk.path().join("too-big");
        assert!(matches!(storage.fetch(&big, &to).await, Err(Error::DiskFull)));
        assert!(!to.exists());
    }
}
