//! Files and names made to harm: none reads what is not its own, talks to anybody, or costs more than its limits.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    net::TcpStream,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use reelfleet_e2e::{
    Fleet, Verdict,
    canary::Canary,
    clips, files_below,
    hostile::{Harm, gif, pointers},
    media::corpus,
    playable::{decodes_to, facts, is_about},
    took_s, wire,
};

/// Longest that a refused file may keep a worker, on a busy machine.
const REFUSED_WITHIN_S: f64 = 20.0;

fn fleet(environment: &[(&str, &str)]) -> Fleet {
    Fleet::start(&["--min", "2", "--max", "2"], environment)
}

fn send(fleet: &Fleet, bytes: &[u8]) -> String {
    let file = fleet.folder().join("sent");
    fs::write(&file, bytes).unwrap();
    fleet.submit(&file, "web")
}

/// It failed at the first try, for one of these reasons, soon.
fn assert_refused(fleet: &Fleet, name: &str, id: &str, codes: &[&str]) {
    let verdict = Verdict::wait(fleet, id);
    assert_eq!(verdict.faults(), Vec::<String>::new(), "{name}: {}", verdict.video);
    assert!(codes.contains(&verdict.word()), "{name}: {}", verdict.word());
    let took = took_s(&verdict.video);
    assert!(took < REFUSED_WITHIN_S, "{name} took {took} s");
}

#[test]
fn a_playlist_in_disguise_reads_no_other_file_and_talks_to_nobody() {
    // Without the sandbox, too: what confines ffmpeg must not depend on it alone.
    for sandbox in ["auto", "off"] {
        let fleet = fleet(&[("SANDBOX", sandbox)]);
        let victim = clips::make(
            fleet.folder(),
            "victim.ts",
            "-f lavfi -i testsrc2=s=64x64:r=25:d=2 -c:v mpeg2video",
        );
        // A file of another owner in the fleet's own storage as well.
        let other = fleet.submit(&victim, "web");
        assert_eq!(fleet.wait_final(&other)["status"], "ready");
        let stored = fleet.data().join("blobs/sources").join(&other);
        let canary = Canary::watch(&[&victim, &stored]);
        let mut sent = Vec::new();
        for target in [&victim, &stored] {
            for (name, body) in pointers(&target.display().to_string(), canary.port()) {
                sent.push((name, send(&fleet, body.as_bytes())));
            }
        }
        for (name, id) in sent {
            assert_refused(&fleet, name, &id, &["not_a_video", "unsupported_container"]);
        }
        assert_eq!(canary.visits(), Vec::<&str>::new(), "sandbox {sandbox}");
        fleet.assert_clean();
        // The canary would have noticed.
        drop(fs::read(&stored).unwrap());
        drop(TcpStream::connect(("127.0.0.1", canary.port())).unwrap());
        let visits = canary.visits();
        assert!(visits.contains(&"file") && visits.contains(&"tcp"), "{visits:?}");
    }
}

const CLAIMS: &[(&str, &str, &str)] = &[
    (
        "25h.mp4",
        "-f lavfi -i color=black:s=16x16:r=1/3600 -frames:v 25 -c:v libx264 -pix_fmt yuv420p -video_track_timescale 1",
        "too_long",
    ),
    (
        "8192.mp4",
        "-f lavfi -i color=black:s=8192x8192:r=30 -frames:v 3 -c:v libx264 -preset ultrafast",
        "picture_too_large",
    ),
    (
        "60k.mp4",
        "-f lavfi -i color=black:s=16x16:r=1000 -t 60 -c:v libx264 -preset ultrafast",
        "frame_rate_too_high",
    ),
    ("silence.mkv", "-f lavfi -i anullsrc=r=8000:cl=mono -t 3600 -c:a flac", "no_picture"),
];

#[test]
fn small_files_that_claim_much_cost_little() {
    let fleet = fleet(&[]);
    for (name, words, code) in CLAIMS {
        let file = clips::make(fleet.folder(), name, words);
        assert_refused(&fleet, name, &fleet.submit(&file, "web"), &[code]);
    }
    assert_refused(
        &fleet,
        "gif",
        &send(&fleet, &gif()),
        &["picture_too_large", "undecodable", "not_a_video"],
    );
    fleet.assert_clean();
}

#[test]
#[ignore = "it makes a day of sound: `make test-media`"]
fn whole_days_and_six_hundred_thousand_frames_cost_little() {
    let fleet = fleet(&[]);
    for (name, words, code) in [
        ("day.mkv", "-f lavfi -i anullsrc=r=8000:cl=mono -t 86400 -c:a flac", "no_picture"),
        (
            "600k.mp4",
            "-f lavfi -i color=black:s=16x16:r=1000 -t 600 -c:v libx264 -preset ultrafast",
            "frame_rate_too_high",
        ),
        (
            "day_and_picture.mkv",
            "-f lavfi -i anullsrc=r=8000:cl=mono -f lavfi -i color=s=16x16:r=25:d=1 -t 86400 -c:a flac -c:v libx264",
            "too_long",
        ),
    ] {
        let file = clips::make(fleet.folder(), name, words);
        for profile in ["web", "hls", "showcase"] {
            assert_refused(&fleet, name, &fleet.submit(&file, profile), &[code]);
        }
    }
    fleet.assert_clean();
}

#[test]
fn what_is_no_video_is_refused_as_that() {
    let fleet = fleet(&[]);
    let noise: Vec<u8> = {
        let mut harm = Harm::new(7);
        (0..100_000).map(|_| u8::try_from(harm.below(256)).unwrap()).collect()
    };
    let still = clips::make(fleet.folder(), "a.jpg", "-f lavfi -i testsrc2=s=64x64 -frames:v 1");
    let sound = clips::make(fleet.folder(), "a.wav", "-f lavfi -i sine=d=1");
    let mut box_of_boxes = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41".to_vec();
    box_of_boxes.extend(b"\xff\xff\xff\xffmoov".repeat(2000));
    for (name, bytes) in [
        ("text", b"hello, this is not a video\n".to_vec()),
        ("one byte", vec![0]),
        ("zeros", vec![0; 1 << 20]),
        ("noise", noise),
        ("html", b"<html><script>alert(1)</script></html>".to_vec()),
        ("zip", b"PK\x03\x04\x14\0\0\0\x08\0".repeat(40)),
        ("elf", fs::read("/proc/self/exe").unwrap()[..4096].to_vec()),
        ("boxes", box_of_boxes),
        ("picture", fs::read(still).unwrap()),
        ("sound", fs::read(sound).unwrap()),
    ] {
        let codes = ["not_a_video", "unsupported_container", "no_picture"];
        assert_refused(&fleet, name, &send(&fleet, &bytes), &codes);
    }
    fleet.assert_clean();
}

/// Waits for a hurt file. It may be ready only as long as it should be, and if it plays.
fn assert_whole_or_failed(fleet: &Fleet, name: &str, id: &str, seconds: &[f64]) -> String {
    let verdict = Verdict::wait(fleet, id);
    assert_eq!(verdict.faults(), Vec::<String>::new(), "{name}: {}", verdict.video);
    if verdict.is_ready() {
        let folder = fleet.folder().join("fetched").join(id);
        assert_eq!(verdict.file_faults(fleet, &folder), Vec::<String>::new(), "{name}");
        let got = facts(&folder.join("video.mp4")).duration_s;
        assert!(
            seconds.iter().any(|wanted| is_about(got, *wanted)),
            "{name}: {got} s, not {seconds:?}"
        );
    }
    verdict.word().to_owned()
}

const WHOLE: &str = "-f lavfi -i testsrc2=s=160x120:r=25:d=8 -f lavfi -i sine=d=8";

fn truncate(rounds: usize) {
    let fleet = fleet(&[("QUOTA_UNFINISHED_VIDEOS", "1000")]);
    let (mut harm, mut sent) = (Harm::new(2026), Vec::new());
    for (name, words) in [
        ("a.mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac -movflags +faststart"),
        // Cannot be copied as it is: the other way through.
        ("b.mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuv444p -c:a aac -movflags +faststart"),
        ("c.mkv", "-c:v libx264 -preset ultrafast -c:a libmp3lame"),
        ("d.ts", "-c:v mpeg2video -c:a mp2 -f mpegts"),
    ] {
        let whole = clips::make(fleet.folder(), name, &format!("{WHOLE} {words}"));
        let bytes = fs::read(whole).unwrap();
        for round in 0..rounds {
            // The first one always loses half.
            let cut = if round == 0 {
                bytes[..bytes.len() / 2].to_vec()
            } else {
                harm.cut(bytes.clone())
            };
            let file = fleet.folder().join(format!("{round}-{name}"));
            fs::write(&file, &cut).unwrap();
            // A transport stream declares no length: it is whole as far as it goes.
            let seconds = if name == "d.ts" { decodes_to(&file).unwrap_or(0.0) } else { 8.0 };
            let label = format!("{name} cut at {} of {}", cut.len(), bytes.len());
            sent.push((label, round, fleet.submit(&file, "web"), seconds, name));
        }
    }
    for (label, round, id, seconds, name) in sent {
        let word = assert_whole_or_failed(&fleet, &label, &id, &[seconds]);
        if round == 0 && name != "d.ts" {
            assert_eq!(word, "truncated", "{label}");
        }
    }
    fleet.assert_clean();
}

#[test]
fn a_truncated_file_never_passes_as_whole() {
    truncate(4);
}

#[test]
#[ignore = "minutes: `make test-media`"]
fn a_file_truncated_anywhere_never_passes_as_whole() {
    truncate(11);
}

fn flip_bits(files: &[PathBuf], rounds: u64, fleet: &Fleet) {
    let mut sent = Vec::new();
    for (file, seed) in files.iter().flat_map(|file| (0..rounds).map(move |seed| (file, seed))) {
        let bytes = Harm::new(seed).flip(fs::read(file).unwrap());
        let id = send(fleet, &bytes);
        let hurt = fleet.folder().join(format!("hurt-{id}"));
        fs::write(&hurt, bytes).unwrap();
        sent.push((file, hurt, id));
    }
    for (file, hurt, id) in sent {
        let verdict = fleet.wait_final(&id);
        // The bit may have been in a duration: then what there is to decode counts.
        let mut seconds = vec![facts(file).duration_s];
        if verdict["status"] == "ready" {
            seconds.extend(decodes_to(&hurt));
        }
        assert_whole_or_failed(fleet, &file.display().to_string(), &id, &seconds);
    }
    fleet.assert_clean();
}

const KINDS: &[(&str, &str)] = &[
    ("a.mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac -movflags +faststart"),
    ("b.mkv", "-c:v libx264 -preset ultrafast -c:a libmp3lame"),
    ("c.ts", "-c:v mpeg2video -c:a mp2 -f mpegts"),
    ("d.avi", "-c:v mpeg4 -c:a libmp3lame"),
    ("e.webm", "-c:v libvpx -deadline realtime -c:a libvorbis"),
];

#[test]
fn flipped_bits_end_in_a_verdict() {
    let fleet = fleet(&[]);
    let make = |(name, words): &(&str, &str)| {
        clips::make(fleet.folder(), name, &format!("{WHOLE} {words}"))
    };
    flip_bits(&KINDS.iter().map(make).collect::<Vec<_>>(), 2, &fleet);
}

#[test]
#[ignore = "minutes: `make test-media`"]
fn flipped_bits_in_real_files_end_in_a_verdict() {
    let fleet = fleet(&[("QUOTA_UNFINISHED_VIDEOS", "1000")]);
    let short = |seconds: f64| (0.5..10.0).contains(&seconds);
    let good: Vec<PathBuf> = corpus()
        .into_iter()
        .filter(|known| known.picture && known.transcodable && known.duration_s.is_some_and(short))
        .map(|known| known.path)
        .step_by(3)
        .take(20)
        .collect();
    assert_eq!(good.len(), 20, "there is no ../shared/media beside the repository");
    flip_bits(&good, 3, &fleet);
}

/// Names a file may bear, and some it may not.
fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "-x.mp4",
        "a b.mp4",
        "a%03d.mp4",
        "a:b.mp4",
        "a\nb.mp4",
        "concat:x|y",
        "e\u{301}te\u{301}.mp4",
        "$(touch x).mp4",
        "a'b\\c;d.mp4",
        "\u{202e}4pm.mp4",
    ]
    .map(|name| name.as_bytes().to_vec())
    .into();
    names.push([vec![b'x'; 251], b".mp4".to_vec()].concat());
    names.push(b"\xff\xfe.mp4".to_vec());
    names
}

/// No name that an uploader chose is part of any path.
fn assert_no_name_in_paths(data: &Path) {
    for path in files_below(data) {
        let path = path.strip_prefix(data).unwrap().to_string_lossy().into_owned();
        let ours = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
        assert!(path.chars().all(ours), "{path}");
        assert!(
            !path.contains("..") && !path.contains("passwd") && !path.contains("xxxx"),
            "{path}"
        );
    }
}

/// A8: through the whole fleet.
#[test]
fn hostile_names_are_only_titles() {
    let fleet = fleet(&[]);
    let clip = fs::read(clips::short(fleet.folder())).unwrap();
    let folder = fleet.folder().join("named");
    fs::create_dir(&folder).unwrap();
    // As files on the uploader's disk …
    let files: Vec<PathBuf> = names()
        .into_iter()
        .map(|name| folder.join(std::ffi::OsString::from_vec(name)))
        .inspect(|file| fs::write(file, &clip).unwrap())
        .collect();
    let (videos, code) = fleet.submit_and_wait(&files, "web", Duration::from_secs(120));
    for (file, video) in files.iter().zip(&videos) {
        assert_eq!(video["status"], "ready", "{}: {video}", file.display());
    }
    assert_eq!(code, Some(0));
    // … and as a form tells them.
    let more =
        [b"../../etc/passwd".to_vec(), b"a\0b.mp4".to_vec(), b"C:\\x\\y.mp4".to_vec(), Vec::new()];
    for name in names().into_iter().chain(more) {
        let answer = wire::upload_form(fleet.client(), &name, &clip);
        let shown = String::from_utf8_lossy(&name).into_owned();
        if answer.status != 202 {
            // A head that HTTP does not allow is no head.
            assert_eq!(
                (answer.status, &answer.json["code"]),
                (400, &"bad_multipart".into()),
                "{shown:?}"
            );
            assert!(name.iter().any(|byte| b"\n\0".contains(byte) || *byte >= 0x80), "{shown:?}");
            continue;
        }
        let video = fleet.wait_final(answer.json["id"].as_str().unwrap());
        assert_eq!(video["status"], "ready", "{shown:?}: {video}");
        let title = video["title"].as_str().unwrap();
        assert!(
            !title.contains(['/', '\n', '\0', '\u{202e}']) && !title.contains(".."),
            "{title:?}"
        );
    }
    assert_no_name_in_paths(&fleet.data());
    fleet.assert_clean();
}
