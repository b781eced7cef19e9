//! Files that end before they say: each is found out, and no whole one is taken for one.

mod support;

use std::path::PathBuf;

use support::Bench;

/// A clip of 10 s with two sounds, of which the second is left out, and subtitles.
fn two_sounds(bench: &Bench, name: &str, second_s: u32, pixels: &str) -> PathBuf {
    let subtitles = bench.file("a.srt", b"1\n00:00:00,500 --> 00:00:09,500\nHello\n");
    let args = format!(
        "-f lavfi -i testsrc2=s=160x120:r=25:d=10 -f lavfi -i sine=d=10 -f lavfi -i sine=f=880:d={second_s} \
         -i {} -map 0 -map 1 -map 2 -map 3 -c:v libx264 -preset ultrafast -pix_fmt {pixels} -c:a aac -c:s srt",
        subtitles.display()
    );
    bench.clip(name, &args)
}

/// What becomes of the first so many hundredths of these bytes.
async fn verdict(bench: &Bench, bytes: &[u8], hundredths: usize) -> String {
    let file = bench.file("part", &bytes[..bytes.len() * hundredths / 100]);
    bench.verdict(&file, "web").await
}

/// What becomes of them all, and of the first 80 hundredths.
async fn verdicts(bench: &Bench, bytes: &[u8]) -> [String; 2] {
    [verdict(bench, bytes, 100).await, verdict(bench, bytes, 80).await]
}

/// The same file, each of whose tracks is noted to be this long.
fn noting(bytes: &[u8], duration: &[u8; 18]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut noted = 0;
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(b"DURATION") {
            let after = &mut bytes[at..at + 40];
            let value = after.windows(4).position(|four| four == b"00:0").expect("a duration");
            after[value..value + 18].copy_from_slice(duration);
            noted += 1;
        }
    }
    assert_eq!(noted, 4, "a note for each track");
    bytes
}

#[tokio::test]
async fn a_cut_matroska_file_is_truncated_although_some_of_its_tracks_are_left_out() {
    let bench = Bench::new();
    // The first is copied, the second is encoded.
    for pixels in ["yuv420p", "yuv444p"] {
        let whole = std::fs::read(two_sounds(&bench, "a.mkv", 10, pixels)).expect("the clip");
        assert_eq!(verdicts(&bench, &whole).await, ["ready", "truncated"], "{pixels}");
        assert_eq!(verdict(&bench, &whole, 50).await, "truncated", "{pixels}");
    }
}

#[tokio::test]
async fn a_cut_matroska_file_is_truncated_also_if_nothing_notes_how_long_its_tracks_are() {
    let bench = Bench::new();
    let mut bytes = std::fs::read(two_sounds(&bench, "a.mkv", 10, "yuv444p")).expect("the clip");
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(b"DURATION") {
            bytes[at] = b'X';
        }
    }
    assert_eq!(verdicts(&bench, &bytes).await, ["ready", "truncated"]);
}

#[tokio::test]
async fn a_wrong_note_refuses_no_whole_file_and_one_that_says_too_much_hides_no_cut() {
    let bench = Bench::new();
    let bytes = std::fs::read(two_sounds(&bench, "a.mkv", 10, "yuv444p")).expect("the clip");
    for (note, verdict) in [
        (b"99:00:00.000000000", "truncated"),
        (b"00:00:00.000000000", "truncated"),
        (b"no clock at all\"\n\\", "truncated"),
        // Whoever says so is taken at his word: the result is what he asked for.
        (b"00:00:02.000000000", "ready"),
    ] {
        let verdicts = verdicts(&bench, &noting(&bytes, note)).await;
        let note = String::from_utf8_lossy(note);
        assert_eq!(verdicts, ["ready", verdict], "{note}");
    }
}

#[tokio::test]
async fn a_track_that_is_left_out_may_be_the_longest() {
    let bench = Bench::new();
    let long = two_sounds(&bench, "long.mkv", 30, "yuv444p");
    assert_eq!(bench.verdict(&long, "web").await, "ready");
    let sound = bench.clip(
        "sound.mkv",
        "-f lavfi -i testsrc2=s=160x120:r=25:d=5 -f lavfi -i sine=d=20 -c:v libx264 -preset ultrafast -c:a aac",
    );
    for profile in ["web", "showcase"] {
        assert_eq!(bench.verdict(&sound, profile).await, "ready", "{profile}");
    }
}

#[tokio::test]
async fn of_containers_that_declare_no_duration_a_cut_file_is_whole_as_far_as_it_goes() {
    let bench = Bench::new();
    let both = "-f lavfi -i testsrc2=s=160x120:r=25:d=8 -f lavfi -i sine=d=8";
    for (name, codecs, verdict) in [
        ("a.ts", "-c:v mpeg2video -c:a mp2", "ready"),
        ("a.mpg", "-c:v mpeg2video -c:a mp2", "ready"),
        ("a.avi", "-c:v mpeg4 -c:a mp2", "ready"),
        ("a.ogv", "-c:v libtheora -c:a libvorbis", "ready"),
        ("a.wmv", "-c:v wmv2 -c:a wmav2", "ready"),
        ("a.gif", "-an", "ready"),
        // The others do.
        ("a.flv", "-c:v flv1 -c:a libmp3lame", "truncated"),
    ] {
        let whole = bench.clip(name, &format!("{both} {codecs}"));
        let bytes = std::fs::read(whole).expect("the clip");
        assert_eq!(verdicts(&bench, &bytes).await, ["ready", verdict], "{name}");
    }
}
