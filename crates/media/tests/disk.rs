//! A full disk is our failure, never the video's.

mod support;

use std::io::Write;

use reelfleet_media::Error;
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
        let out = dir.out();
        let mounted = support::tool("mount")
            .args(["-t", "tmpfs", "-o", "size=600k", "tmpfs"])
            .arg(&out)
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            let _ = writeln!(
                std::io::stderr(),
                "MISSING: the right to mount a tmpfs; full disk not tested"
            );
            dir.remove().expect("removal");
            return;
        }
        let ended = bench.transcode(&dir, profile).await;
        let unmounted = support::tool("umount").arg(&out).status().expect("umount starts");
        assert!(unmounted.success());
        dir.remove().expect("removal");
        assert!(
            matches!(&ended, Err(Error::Failed(why)) if why.contains("disk")),
            "{profile}: {ended:?}"
        );
    }
}
