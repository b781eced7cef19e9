//! Real clips through a real ffmpeg: what goes in and what must come out.

mod support;

use std::path::Path;

use reelfleet_media::{FileKind, Output};
use support::{Bench, fact, only};

const PICTURE: &str = "-f lavfi -i testsrc2=s=640x360:r=25:d=1";
const TONE: &str = "-f lavfi -i sine=f=440:d=1";

fn mp4(output: &Output) -> &Path {
    only(output, FileKind::Video)
}

/// Checks what holds for every MP4 we make.
fn sound_mp4(output: &Output, width: u32, height: u32, seconds: f64) {
    assert_eq!((output.width, output.height), (width, height));
    assert!((output.duration_s - seconds).abs() < 0.15, "{} s, not {seconds}", output.duration_s);
    let video = mp4(output);
    let found = fact(video, "v", "stream=codec_name,width,height,pix_fmt,sample_aspect_ratio");
    assert_eq!(found, format!("h264\n{width}\n{height}\n1:1\nyuv420p"));
    let poster = only(output, FileKind::Poster);
    assert_eq!(fact(poster, "v", "stream=width,height"), format!("{width}\n{height}"));
}

#[tokio::test]
async fn a_rotated_phone_video_stands_upright() {
    let bench = Bench::new();
    let flat = bench.clip("flat.mp4", &format!("{PICTURE} -c:v libx264 -preset ultrafast"));
    let turned = bench.temp.path().join("turned.mp4");
    // ffmpeg 5.1 writes a rotation only through this metadata key.
    support::generate(&format!("-i {} -c copy -metadata:s:v:0 rotate=90", flat.display()), &turned);
    bench.ready(&turned, "web", |out| sound_mp4(out, 360, 640, 1.0)).await;
}

#[tokio::test]
async fn odd_sizes_deep_colours_and_other_aspects_become_plain_pictures() {
    let bench = Bench::new();
    for (name, args, width, height) in [
        (
            "odd.mp4",
            "-f lavfi -i testsrc2=s=321x241:r=25:d=1 -c:v libx264 -preset ultrafast -pix_fmt yuv444p",
            320,
            240,
        ),
        (
            "ten.mp4",
            "-f lavfi -i testsrc2=s=320x240:r=25:d=1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p10le",
            320,
            240,
        ),
        (
            "wide.mp4",
            "-f lavfi -i testsrc2=s=320x240:r=25:d=1 -vf setsar=4/3 -c:v libx264 -preset ultrafast",
            426,
            240,
        ),
        (
            "one.mkv",
            "-f lavfi -i testsrc2=s=2x2:r=25:d=1 -vf scale=1:1 -c:v ffv1 -pix_fmt rgb24",
            2,
            2,
        ),
        (
            "big.mp4",
            "-f lavfi -i testsrc2=s=1920x1080:r=25:d=1 -c:v libx264 -preset ultrafast",
            1280,
            720,
        ),
        (
            "fields.mp4",
            "-f lavfi -i testsrc2=s=320x240:r=50:d=1 -vf interlace -flags +ilme+ildct -c:v libx264 -preset ultrafast",
            320,
            240,
        ),
    ] {
        let file = bench.clip(name, args);
        bench.ready(&file, "web", |out| sound_mp4(out, width, height, 1.0)).await;
    }
}

#[tokio::test]
async fn hdr_is_tone_mapped_to_plain_colours() {
    let bench = Bench::new();
    for transfer in ["smpte2084", "arib-std-b67"] {
        let args = format!(
            "-f lavfi -i testsrc2=s=320x180:r=25:d=1 -vf format=yuv420p10le -c:v libx265 -x265-params log-level=none \
             -preset ultrafast -color_trc {transfer} -color_primaries bt2020 -colorspace bt2020nc"
        );
        let file = bench.clip("hdr.mp4", &args);
        let colours = bench.ready(&file, "web", |out| {
            sound_mp4(out, 320, 180, 1.0);
            fact(mp4(out), "v", "stream=color_transfer,color_primaries,color_space")
        });
        assert_eq!(colours.await, "bt709\nbt709\nbt709", "{transfer}");
    }
}

#[tokio::test]
async fn a_variable_rate_and_a_late_start_keep_the_duration() {
    let bench = Bench::new();
    let vfr = "-f lavfi -i testsrc2=s=320x240:r=50:d=4 -vf select='not(mod(n,7))+gt(mod(n,50),40)' -fps_mode vfr -c:v libx264 -preset ultrafast";
    let vfr = bench.clip("vfr.mkv", vfr);
    bench.ready(&vfr, "web", |out| sound_mp4(out, 320, 240, 4.0)).await;
    let late = bench.clip(
        "late.ts",
        &format!("{PICTURE} {TONE} -c:v mpeg2video -c:a mp2 -output_ts_offset 30 -f mpegts"),
    );
    bench.ready(&late, "web", |out| sound_mp4(out, 640, 360, 1.0)).await;
}

/// As of a screen on which nothing moves. Each frame that fills the rest is one more of the same.
#[tokio::test]
async fn a_picture_that_rests_for_minutes_takes_no_memory_for_each_frame_of_its_rest() {
    let mut bench = Bench::new();
    // The frames of its rest would take 1.8 GB.
    let rests = "-f lavfi -i testsrc2=s=854x480:r=25:d=2 -vf setpts=PTS+gt(N\\,10)*120/TB -fps_mode vfr -c:v libx264 -preset ultrafast -pix_fmt yuv422p";
    let rests = bench.clip("rests.mkv", rests);
    bench.limits.memory = 1200 << 20;
    for profile in ["web", "hls"] {
        let frames = bench.ready(&rests, profile, |out| fact(mp4(out), "v", "stream=nb_frames"));
        assert_eq!(frames.await, (122 * 25).to_string(), "{profile}");
    }
}

#[tokio::test]
async fn a_high_frame_rate_is_capped_at_sixty() {
    let bench = Bench::new();
    let fast = bench.clip(
        "fast.mp4",
        "-f lavfi -i testsrc2=s=320x240:r=120:d=1 -c:v libx264 -preset ultrafast",
    );
    let rate = bench
        .ready(&fast, "web", |out| fact(mp4(out), "v", "stream=avg_frame_rate,nb_frames"))
        .await;
    assert_eq!(rate, "60/1\n60");
}

#[tokio::test]
async fn of_several_tracks_the_first_picture_and_sound_are_used_and_sound_may_be_absent() {
    let bench = Bench::new();
    let many = format!(
        "{PICTURE} -f lavfi -i testsrc2=s=320x240:r=25:d=1 {TONE} {TONE} -map 0 -map 1 -map 2 -map 3 -c:v mpeg4 -c:a aac"
    );
    let many = bench.clip("many.mp4", &many);
    bench
        .ready(&many, "web", |out| {
            sound_mp4(out, 640, 360, 1.0);
            assert_eq!(fact(mp4(out), "", "format=nb_streams"), "2");
        })
        .await;
    let silent = bench.clip("silent.mkv", &format!("{PICTURE} -c:v libvpx -deadline realtime"));
    bench
        .ready(&silent, "web", |out| assert_eq!(fact(mp4(out), "", "format=nb_streams"), "1"))
        .await;
}

#[tokio::test]
async fn what_already_conforms_is_copied_and_loses_its_names() {
    let bench = Bench::new();
    let args = format!(
        "{PICTURE} {TONE} -c:v libx264 -preset ultrafast -profile:v main -pix_fmt yuv420p -c:a aac \
         -metadata title=SECRET-TITLE -metadata:s:v handler_name=SECRET-HANDLER -metadata:s:a language=deu"
    );
    let file = bench.clip("fine.mp4", &args);
    let packets = |path: &Path| fact(path, "v", "packet=size");
    let before = packets(&file);
    bench
        .ready(&file, "web", |out| {
            sound_mp4(out, 640, 360, 1.0);
            assert_eq!(packets(mp4(out)), before, "the picture's bytes are the same");
            let bytes = std::fs::read(mp4(out)).expect("the MP4");
            assert!(!String::from_utf8_lossy(&bytes).contains("SECRET"), "names are gone");
        })
        .await;
}

#[tokio::test]
async fn hls_has_every_rung_listed_and_playable_and_the_mp4_beside_it() {
    let bench = Bench::new();
    let file = bench.clip(
        "hls.mp4",
        "-f lavfi -i testsrc2=s=854x480:r=25:d=8 -f lavfi -i sine=d=8 -c:v libx264 -preset ultrafast -c:a aac",
    );
    bench
        .ready(&file, "hls", |out| {
            sound_mp4(out, 854, 480, 8.0);
            let count = |kind| out.files.iter().filter(|file| file.kind == kind).count();
            assert_eq!(
                (count(FileKind::Playlist), count(FileKind::Init), count(FileKind::Segment)),
                (4, 3, 6)
            );
            let master = out
                .files
                .iter()
                .find(|file| file.name == "master.m3u8")
                .expect("a master playlist");
            let text = std::fs::read_to_string(&master.path).expect("the master playlist");
            assert!(
                text.contains("RESOLUTION=854x480") && text.contains("RESOLUTION=640x360"),
                "{text}"
            );
            assert!(fact(&master.path, "v:0", "stream=codec_name").starts_with("h264"));
        })
        .await;
}

#[tokio::test]
async fn hls_of_a_small_silent_video_has_one_rung() {
    let bench = Bench::new();
    let file = bench.clip(
        "small.mp4",
        "-f lavfi -i testsrc2=s=160x120:r=25:d=1 -c:v libx264 -preset ultrafast",
    );
    let names = bench
        .ready(&file, "hls", |out| {
            out.files.iter().map(|file| file.name.clone()).collect::<Vec<_>>()
        })
        .await;
    assert_eq!(
        names,
        [
            "video.mp4",
            "poster.jpg",
            "master.m3u8",
            "hls_120p.m3u8",
            "hls_120p_init.mp4",
            "hls_120p_00000.m4s"
        ]
    );
}

#[tokio::test]
async fn a_showcase_is_short_silent_wide_and_framed_by_cards() {
    let bench = Bench::new();
    let file = bench.clip(
        "tall.mp4",
        "-f lavfi -i testsrc2=s=180x320:r=10:d=35 -f lavfi -i sine=d=35 -c:v libx264 -preset ultrafast -c:a aac",
    );
    bench
        .ready(&file, "showcase", |out| {
            sound_mp4(out, 1280, 720, 35.0);
            assert_eq!(fact(mp4(out), "", "format=nb_streams"), "1");
        })
        .await;
}
