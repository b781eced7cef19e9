//! A full disk is our failure, never the video's.

mod support;

use std::path::PathBuf;

use reelfleet_media::Error;
use support::Bench;

/// A small disk of its own, unmounted when this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> SmallDisk {
        let mounted = as_root(&["mount", "-t", "tmpfs", "-o", "size=600k,mode=0777", "tmpfs"], &at);
        assert!(
            mounted,
            "the right to mount a file system is missing: run this as root or with sudo"
        );
        SmallDisk(at)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there loses it in his own time.
        as_root(&["umount", "-l"], &self.0);
    }
}

fn as_root(words: &[&str], path: &PathBuf) -> bool {
    // Without being root, sudo may allow it, as it does on CI machines.
    let sudo: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["sudo", "-n"] };
    let mut words = sudo.iter().chain(words);
    let mut command = support::tool(words.next().expect("a program"));
    command.args(words).arg(path).status().is_ok_and(|status| status.success())
}

#[tokio::test]
async fn a_full_disk_is_temporary_for_mp4_and_for_hls() {
    let bench = Bench::new();
    let clip = bench.clip(
        "noise.mp4",
        "-f lavfi -i testsrc2=s=640x360:r=25:d=6 -vf noise=alls=80:allf=t -c:v libx264 -preset ultrafast -crf 30 -pix_fmt yuv444p",
    );
    for profile in ["web", "hls"] {
        let dir = bench.job(&clip);
        let disk = SmallDisk::mount(dir.out());
        let ended = bench.transcode(&dir, profile).await;
        drop(disk);
        dir.remove().expect("removal");
        assert!(
            matches!(&ended, Err(Error::Failed(why)) if why.contains("disk")),
            "{profile}: {ended:?}"
        );
    }
}
