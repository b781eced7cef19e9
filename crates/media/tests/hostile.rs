//! Files made to harm: each ends with its code, within its limits.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use support::{Bench, generate};

#[tokio::test]
async fn a_playlist_in_disguise_opens_nothing_and_connects_nowhere() {
    let bench = Bench::new();
    let canary = bench.clip("canary.mkv", "-f lavfi -i testsrc2=s=64x64:d=1 -c:v libx264");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("non-blocking");
    let port = listener.local_addr().expect("address").port();
    let playlist = |target: &str| {
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:2.0,\n{target}\n#EXT-X-ENDLIST\n"
        )
    };
    let canary = canary.display().to_string();
    for body in [
        playlist(&canary),
        playlist(&format!("file://{canary}")),
        playlist("../canary.mkv"),
        playlist(&format!("http://127.0.0.1:{port}/x.ts")),
        playlist(&format!("concat:{canary}|{canary}")),
        format!("ffconcat version 1.0\nfile '{canary}'\n"),
        "ffconcat version 1.0\nfile 'in'\n".to_owned(),
        format!(
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
        ),
        format!("<?xml version=\"1.0\"?><MPD><BaseURL>http://127.0.0.1:{port}/</BaseURL></MPD>"),
    ] {
        let file = bench.file("x.mp4", body.as_bytes());
        let verdict = bench.verdict(&file, "web").await;
        // What ffmpeg takes for no container at all is not a video.
        let recognised = ["#EXTM3U", "ffconcat", "v=0"].iter().any(|start| body.starts_with(start));
        let code = if recognised { "unsupported_container" } else { "not_a_video" };
        assert_eq!(verdict, code, "{body}");
    }
    assert!(listener.accept().is_err(), "nobody connected");
}

#[tokio::test]
async fn small_files_that_claim_much_are_refused_quickly() {
    let bench = Bench::new();
    for (name, args, code) in [
        (
            "25h.mp4",
            "-f lavfi -i color=black:s=16x16:r=1/3600 -frames:v 25 -c:v libx264 -pix_fmt yuv420p -video_track_timescale 1",
            "too_long",
        ),
        (
            "8k.mp4",
            "-f lavfi -i color=black:s=8192x8192:r=30 -frames:v 2 -c:v libx264 -preset ultrafast",
            "picture_too_large",
        ),
        (
            "600k.mp4",
            "-f lavfi -i color=black:s=16x16:r=1000 -t 60 -c:v libx264 -preset ultrafast",
            "frame_rate_too_high",
        ),
        ("silence.mkv", "-f lavfi -i anullsrc=r=8000:cl=mono -t 3600 -c:a flac", "no_picture"),
    ] {
        let file = bench.clip(name, args);
        let started = Instant::now();
        assert_eq!(bench.verdict(&file, "web").await, code, "{name}");
        assert!(started.elapsed() < Duration::from_secs(10), "{name} took {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn files_that_are_nothing_are_refused() {
    let bench = Bench::new();
    let mut gif = b"GIF89a\xff\xff\xff\xff\x80\0\0".to_vec();
    gif.extend([0; 22]);
    for (name, bytes, codes) in [
        ("empty", &b""[..], &["empty"][..]),
        ("text", b"hello, this is not a video\n", &["not_a_video"]),
        ("zeros", &[0; 4096], &["not_a_video"]),
        ("gif", &gif, &["picture_too_large", "undecodable", "not_a_video"]),
    ] {
        let file = bench.file(name, bytes);
        let verdict = bench.verdict(&file, "web").await;
        assert!(codes.contains(&verdict.as_str()), "{name}: {verdict}");
    }
}

#[tokio::test]
async fn a_file_cut_in_half_is_truncated_whether_copied_or_encoded() {
    let bench = Bench::new();
    let clip = "-f lavfi -i testsrc2=s=320x240:r=25:d=8 -f lavfi -i sine=d=8 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac";
    let mp4 = bench.clip("whole.mp4", &format!("{clip} -movflags +faststart"));
    let mkv = bench.clip("whole.mkv", clip);
    let deep = bench.clip("deep.mp4", &format!("{clip} -pix_fmt yuv444p -movflags +faststart"));
    for file in [mp4, mkv, deep] {
        let bytes = std::fs::read(&file).expect("the clip");
        let half = bench.file("half", &bytes[..bytes.len() / 2]);
        assert_eq!(bench.verdict(&half, "web").await, "truncated", "{}", file.display());
        assert_eq!(bench.verdict(&file, "web").await, "ready", "{}", file.display());
    }
}

#[tokio::test]
async fn flipped_bits_and_random_cuts_end_in_a_verdict_never_in_a_failure() {
    let bench = Bench::new();
    let mut random = Lcg(42);
    for (name, args) in [
        ("a.mp4", "-c:v libx264 -preset ultrafast -movflags +faststart"),
        ("a.mkv", "-c:v libx264 -preset ultrafast"),
        ("a.ts", "-c:v mpeg2video -f mpegts"),
    ] {
        let whole = bench.temp.path().join(name);
        generate(
            &format!("-f lavfi -i testsrc2=s=160x120:r=25:d=2 -f lavfi -i sine=d=2 {args}"),
            &whole,
        );
        let bytes = std::fs::read(&whole).expect("the clip");
        for round in 0..4 {
            let mut hurt = bytes.clone();
            if round % 2 == 0 {
                for _ in 0..=hurt.len() / 5000 {
                    let at = random.below(hurt.len());
                    hurt[at] ^= 1 << random.below(8);
                }
            } else {
                hurt.truncate(1 + random.below(bytes.len()));
            }
            let file = bench.file("hurt", &hurt);
            let verdict = bench.verdict(&file, "web").await;
            assert!(!verdict.starts_with("failed"), "{name} round {round}: {verdict}");
        }
    }
}

#[tokio::test]
async fn a_corpus_sample_ends_as_it_should() {
    let Some(corpus) = support::corpus() else {
        eprintln_missing();
        return;
    };
    let bench = Bench::new();
    for (name, verdict) in [
        ("no_timescale.mp4", "ready"),
        ("sample_fragmented_unsupported_brands.mp4", "ready"),
        ("sample_with_fake_auxiliary_tracks.mp4", "ready"),
        ("sample.flv", "ready"),
        ("animated.gif", "ready"),
        ("video_with_failing_audio.mp4", "ready"),
        ("sample_missing_stsd.mp4", "ready"),
        ("mv_with_2_top_shots.mp4", "ready"),
        ("dolbyVision-hdr.MOV", "ready"),
        ("video_colr_nclx_rgb.mp4", "ready"),
        ("short-cenc.mp4", "encrypted"),
        ("invalid-bitstream.webm", "undecodable"),
        ("video_init.mp4", "undecodable"),
        ("audio_init.mp4", "no_picture"),
        ("sample_ac4.mp4", "no_picture"),
        ("chunk_out_of_range.mp4", "not_a_video"),
        ("FlashVideo.flv", "not_a_video"),
    ] {
        assert_eq!(bench.verdict(&corpus.join(name), "web").await, verdict, "{name}");
    }
}

fn eprintln_missing() {
    // Straight to the descriptor: libtest would swallow a captured print.
    let _ = writeln!(
        std::io::stderr(),
        "MISSING: ../shared/media/files beside the repository; corpus sample not run"
    );
}

/// A tiny generator, so that every run hurts the same bytes.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

#[test]
fn the_canary_listener_would_notice_a_visitor() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut visitor =
        std::net::TcpStream::connect(listener.local_addr().expect("address")).expect("connects");
    visitor.write_all(b"x").expect("writes");
    let mut byte = [0];
    listener.accept().expect("a visitor").0.read_exact(&mut byte).expect("reads");
}
