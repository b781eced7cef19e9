//! A full disk is our failure, never the video's.

mod support;

use reelfleet_media::Error;
use reelfleet_servers::SmallDisk;
use support::Bench;

#[tokio::test]
async fn a_full_disk_is_temporary_for_mp4_and_for_hls() {
    let bench = Bench::new();
    let clip = bench.clip(
        "noise.mp4",
        "-f lavfi -i testsrc2=s=640x360:r=25:d=6 -vf noise=alls=80:allf=t -c:v libx264 -preset ultrafast -crf 30 -pix_fmt yuv444p",
    );
    for profile in ["web", "hls"] {
        let dir = bench.job(&clip);
        let disk = SmallDisk::mount(&dir.out(), "600k");
        let ended = bench.transcode(&dir, profile).await;
        drop(disk);
        dir.remove().expect("removal");
        assert!(
            matches!(&ended, Err(Error::Failed(why)) if why.contains("disk")),
            "{profile}: {ended:?}"
        );
    }
}
