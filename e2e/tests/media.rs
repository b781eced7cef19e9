//! Files as people have them: each is ready and plays everywhere, or is refused with a reason.
//!
//! The small set runs with `make test`, every file of the corpus with `make test-media`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use reelfleet_e2e::{
    Fleet, LIMITS, Verdict, clips,
    media::{Known, corpus},
    playable::{self, decodes_to, facts, is_about, picture_decodes_to},
    took_s,
};

/// Sources whose declared duration is not how long they play; what a bare ffmpeg decodes counts.
const LIARS: &[&str] = &[
    // Subtitles that outlast the picture and the sound.
    "nasa_13013.mp4",
    // They begin 8 and 10 s late: the wait is not shown.
    "test_non_zero_start.mp4",
    "bbb_800x640_768kbps_30fps_avc_2b_firstpts_10_sec.mp4",
    // The largest number of its clock, for "unknown".
    "sample_fragmented_unsupported_brands.mp4",
];

/// Sources whose picture ends long before their sound, which a profile without sound leaves out.
const SHORT_PICTURES: &[&str] = &["sample_with_vobsub.mkv"];

/// Clips made here: name, ffmpeg's words, seconds, size of the result, whether it has sound.
type Clip = (&'static str, &'static str, f64, (u64, u64), bool);

const CLIPS: &[Clip] = &[
    (
        "odd.mp4",
        "-f lavfi -i testsrc2=s=321x241:r=25:d=2 -c:v libx264 -pix_fmt yuv444p",
        2.0,
        (320, 240),
        false,
    ),
    ("one.gif", "-f lavfi -i testsrc2=s=63x47:r=10:d=2", 2.0, (62, 46), false),
    (
        "ten.mp4",
        "-f lavfi -i testsrc2=s=320x240:r=25:d=2 -c:v libx264 -pix_fmt yuv420p10le",
        2.0,
        (320, 240),
        false,
    ),
    (
        "hdr.mkv",
        "-f lavfi -i testsrc2=s=320x180:r=30:d=2 -c:v libx265 -x265-params log-level=none -pix_fmt yuv420p10le -color_trc smpte2084 -color_primaries bt2020 -colorspace bt2020nc",
        2.0,
        (320, 180),
        false,
    ),
    (
        "full.mp4",
        "-f lavfi -i testsrc2=s=320x240:r=25:d=2 -c:v libx264 -pix_fmt yuvj420p",
        2.0,
        (320, 240),
        false,
    ),
    (
        "variable.mkv",
        "-f lavfi -i testsrc2=s=320x240:r=30:d=4 -vf select='lt(t,1)+not(mod(n,7))' -vsync vfr -c:v libx264",
        4.0,
        (320, 240),
        false,
    ),
    (
        "tracks.mkv",
        "-f lavfi -i testsrc2=s=320x240:r=25:d=2 -f lavfi -i testsrc=s=160x120:r=25:d=2 -f lavfi -i sine=d=2 -f lavfi -i sine=f=880:d=2 -map 0 -map 1 -map 2 -map 3 -c:v libx264 -c:a aac",
        2.0,
        (320, 240),
        true,
    ),
    (
        "later.ts",
        "-f lavfi -i testsrc2=s=320x240:r=25:d=3 -f lavfi -i sine=d=3 -c:v mpeg2video -c:a mp2 -output_ts_offset 100",
        3.0,
        (320, 240),
        true,
    ),
    (
        "stretched.mkv",
        "-f lavfi -i testsrc2=s=180x144:r=25:d=2,setsar=16/11 -c:v mpeg4",
        2.0,
        (260, 144),
        false,
    ),
    (
        "interlaced.mpg",
        "-f lavfi -i testsrc2=s=352x288:r=25:d=2 -f lavfi -i sine=d=2 -c:v mpeg2video -flags +ilme+ildct -c:a mp2",
        2.0,
        (352, 288),
        true,
    ),
    (
        "old.avi",
        "-f lavfi -i testsrc2=s=320x240:r=15:d=2 -f lavfi -i sine=d=2 -c:v mpeg4 -c:a libmp3lame",
        2.0,
        (320, 240),
        true,
    ),
    (
        "surround.webm",
        "-f lavfi -i testsrc2=s=320x240:r=24:d=2 -f lavfi -i anoisesrc=d=2 -ac 6 -c:v libvpx -deadline realtime -c:a libvorbis",
        2.0,
        (320, 240),
        true,
    ),
    (
        "longer_sound.mp4",
        "-f lavfi -i testsrc2=s=320x240:r=25:d=1 -f lavfi -i sine=d=4 -c:v libx264 -c:a aac",
        4.0,
        (320, 240),
        true,
    ),
    (
        "large.mp4",
        "-f lavfi -i testsrc2=s=1920x1080:r=25:d=1 -c:v libx264 -preset ultrafast",
        1.0,
        (1280, 720),
        false,
    ),
    (
        "still.mp4",
        "-f lavfi -i testsrc2=s=320x240:r=25 -frames:v 1 -c:v libx264",
        0.04,
        (320, 240),
        false,
    ),
];

/// Real files for every run; `None`: ready.
const SAMPLE: &[(&str, Option<&str>)] = &[
    ("-video-with-dash-.mp4", None),
    ("sample_with_vobsub.mkv", None),
    ("animated.gif", None),
    ("dolbyVision-hdr.MOV", None),
    ("h265_10bits.mp4", None),
    ("no_timescale.mp4", None),
    ("sample.flv", None),
    ("sample_portrait.mp4", None),
    ("test_non_zero_start.mp4", None),
    ("testsrc2_444_12bit_hevc.mp4", None),
    ("trim_optimization_failure.mp4", None),
    ("video_with_failing_audio.mp4", None),
    ("nasa_13013.mp4", None),
    ("short-cenc.mp4", Some("encrypted")),
    ("invalid-bitstream.webm", Some("undecodable")),
    ("sample_audio_only.mp4", Some("no_picture")),
    ("c95517-sample.mkv", Some("not_a_video")),
];

/// A fleet that takes a whole corpus from one user.
fn fleet() -> Fleet {
    Fleet::start(&["--min", "2", "--max", "2"], &[("QUOTA_UNFINISHED_VIDEOS", "1000")])
}

/// Everything that is wrong with the way a known file ended under a profile.
fn judge(fleet: &Fleet, known: &Known, verdict: &Verdict, profile: &str) -> Vec<String> {
    let mut faults = verdict.faults();
    if !verdict.is_ready() {
        let good = known.picture && known.transcodable;
        // ffmpeg is content with files that hold no frame at all; we are not.
        if good && !LIMITS.contains(&verdict.code.as_str()) && decodes_to(&known.path).is_some() {
            faults.push(format!("it can be transcoded, but failed: {}", verdict.code));
        }
        return faults;
    }
    let folder = fleet.folder().join("fetched").join(profile).join(&known.name);
    faults.extend(verdict.file_faults(fleet, &folder));
    let found = facts(&folder.join("video.mp4"));
    match wanted_s(known, profile) {
        None => faults.push("it is ready, but no frame of it decodes".to_owned()),
        Some(wanted) if !is_about(found.duration_s, wanted) => {
            faults.push(format!("it plays {:.2} s of {wanted:.2} s", found.duration_s));
        }
        Some(_) => {}
    }
    if let Some((width, height)) = known.shown
        && profile != "showcase"
        && width != height
        && (width > height) != (found.width > found.height)
    {
        faults.push(format!("{width}x{height} became {}x{}", found.width, found.height));
    }
    fs::remove_dir_all(folder).unwrap();
    faults
}

/// How long the result should be; nothing if the source shows no picture.
fn wanted_s(known: &Known, profile: &str) -> Option<f64> {
    if profile == "showcase" && SHORT_PICTURES.contains(&known.name.as_str()) {
        return picture_decodes_to(&known.path).map(|picture| picture + 5.0);
    }
    // Long ones are believed: decoding them once more proves nothing new.
    let measured = match known.duration_s {
        Some(long) if (60.0..3600.0).contains(&long) => long,
        _ => decodes_to(&known.path)?,
    };
    let declared = known.duration_s.filter(|_| !LIARS.contains(&known.name.as_str()));
    let whole = declared.unwrap_or(measured);
    Some(if profile == "showcase" { whole.min(30.0) + 5.0 } else { whole })
}

#[test]
fn whatever_a_camera_writes_becomes_a_file_that_plays_everywhere() {
    let fleet = fleet();
    let make = |(name, words, ..): &Clip| clips::make(fleet.folder(), name, words);
    let files: Vec<PathBuf> = CLIPS.iter().map(make).collect();
    let (videos, code) = fleet.submit_and_wait(&files, "web", Duration::from_secs(300));
    let mut faults = Vec::new();
    for ((name, _, seconds, size, sound), video) in CLIPS.iter().zip(&videos) {
        let verdict = Verdict::of(&fleet, video);
        assert!(verdict.is_ready(), "{name}: {video}");
        let folder = fleet.folder().join("fetched").join(name);
        let mut found = verdict.file_faults(&fleet, &folder);
        let got = facts(&folder.join("video.mp4"));
        if !is_about(got.duration_s, *seconds) {
            found.push(format!("it plays {:.2} s of {seconds} s", got.duration_s));
        }
        if (got.width, got.height) != *size || video["width"] != size.0 || video["height"] != size.1
        {
            found.push(format!("{size:?} became {}x{}: {video}", got.width, got.height));
        }
        if got.sound.is_empty() == *sound {
            found.push(format!("sound: {:?}", got.sound));
        }
        faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(code, Some(0));
    fleet.assert_clean();
}

#[test]
fn a_rotated_phone_video_stands_upright() {
    let fleet = fleet();
    // Left half red, right half blue: a quarter turn clockwise puts red on top.
    let flat = clips::make(
        fleet.folder(),
        "flat.mp4",
        "-f lavfi -i color=red:s=320x240:r=25:d=1 -vf drawbox=x=160:w=160:h=240:color=blue:t=fill -c:v libx264 -pix_fmt yuv420p",
    );
    let turned = fleet.folder().join("turned.mp4");
    fs::write(&turned, clips::turned(fs::read(flat).unwrap())).unwrap();
    for profile in ["web", "hls", "showcase"] {
        let id = fleet.submit(&turned, profile);
        let verdict = Verdict::wait(&fleet, &id);
        assert!(verdict.is_ready(), "{}", verdict.video);
        let folder = fleet.folder().join(profile);
        assert_eq!(verdict.file_faults(&fleet, &folder), Vec::<String>::new(), "{profile}");
        let mp4 = folder.join("video.mp4");
        if profile == "showcase" {
            // Cards come first; its frame does not turn.
            assert_eq!((facts(&mp4).width, facts(&mp4).height), (1280, 720));
            continue;
        }
        assert_eq!((facts(&mp4).width, facts(&mp4).height), (240, 320));
        let red = |[r, _, b]: [u8; 3]| r > 150 && b < 100;
        let blue = |[r, _, b]: [u8; 3]| b > 150 && r < 100;
        let [a, b, c, d] = playable::quarters(&mp4);
        assert!(red(a) && red(b) && blue(c) && blue(d), "{profile}: {a:?} {b:?} {c:?} {d:?}");
    }
    fleet.assert_clean();
}

#[test]
fn a_sample_of_real_files_ends_as_it_should() {
    let corpus = corpus();
    if corpus.is_empty() {
        missing("the small sample");
        return;
    }
    let fleet = fleet();
    let of = |name: &str| corpus.iter().find(|known| known.name == name).unwrap();
    let known: Vec<&Known> = SAMPLE.iter().map(|(name, _)| of(name)).collect();
    let mut faults = Vec::new();
    for (profile, some) in [("web", known.len()), ("hls", 4), ("showcase", 4)] {
        let files: Vec<PathBuf> = known.iter().take(some).map(|known| known.path.clone()).collect();
        let (videos, code) = fleet.submit_and_wait(&files, profile, Duration::from_secs(300));
        assert_eq!(code, Some(i32::from(some == known.len())), "1 unless every one is ready");
        for ((known, (_, wanted)), video) in known.iter().zip(SAMPLE).zip(&videos) {
            let verdict = Verdict::of(&fleet, video);
            let mut found = judge(&fleet, known, &verdict, profile);
            if verdict.word() != wanted.unwrap_or("ready") {
                found.push(format!("it ended {}", verdict.word()));
            }
            faults.extend(found.iter().map(|fault| format!("{profile} {}: {fault}", known.name)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    fleet.assert_clean();
}

#[test]
#[ignore = "an hour or more: `make test-media`"]
fn every_file_of_the_corpus_ends_as_it_should_under_every_profile() {
    let corpus = corpus();
    assert!(!corpus.is_empty(), "there is no ../shared/media beside the repository");
    // The few long ones come last, so that the rest is known early.
    let is_long = |known: &Known| known.duration_s.is_some_and(|s| (60.0..3600.0).contains(&s));
    let (long, short): (Vec<Known>, Vec<Known>) = corpus.into_iter().partition(is_long);
    let mut report = Report::default();
    for (files, profile) in
        [&short, &long].into_iter().flat_map(|files| PROFILES.map(|profile| (files, profile)))
    {
        let fleet = fleet();
        let paths: Vec<PathBuf> = files.iter().map(|known| known.path.clone()).collect();
        let (videos, _) = fleet.submit_and_wait(&paths, profile, Duration::from_secs(4 * 3600));
        for (known, video) in files.iter().zip(&videos) {
            let verdict = Verdict::of(&fleet, video);
            report.add(known, &verdict, profile, &judge(&fleet, known, &verdict, profile));
        }
        fleet.assert_clean();
        report.write();
    }
    assert!(report.faults.is_empty(), "{}", report.faults.join("\n"));
}

const PROFILES: [&str; 3] = ["web", "hls", "showcase"];

/// What `make test-media` prints and writes.
#[derive(Default)]
struct Report {
    rows: Vec<String>,
    faults: Vec<String>,
    counts: BTreeMap<(String, String), usize>,
    ended: String,
}

impl Report {
    fn add(&mut self, known: &Known, verdict: &Verdict, profile: &str, faults: &[String]) {
        let (video, name) = (&verdict.video, &known.name);
        let status = video["status"].as_str().unwrap();
        let row = format!("{profile}\t{name}\t{status}\t{}\t{:.1}", verdict.code, took_s(video));
        println!("{row}");
        self.rows.push(row);
        for fault in faults {
            println!("FAULT: {profile} {name}: {fault}");
            self.faults.push(format!("{profile} {name}: {fault}"));
        }
        *self.counts.entry((profile.to_owned(), verdict.word().to_owned())).or_insert(0) += 1;
        self.ended = video["finished_at"].as_str().unwrap_or_default().to_owned();
    }

    fn write(&self) {
        let mut text = String::from("# Every file of the corpus through every profile\n\n");
        let _ =
            writeln!(text, "Written by `make test-media`: {}, {}.\n", self.ended, clips::machine());
        let _ = writeln!(
            text,
            "{} pairs of a file and a profile, faults: {}.\n",
            self.rows.len(),
            self.faults.len()
        );
        text.extend(self.faults.iter().map(|fault| format!("- {fault}\n")));
        text.push_str("\n| profile | ended | files |\n| --- | --- | --- |\n");
        for ((profile, word), count) in &self.counts {
            let _ = writeln!(text, "| {profile} | {word} | {count} |");
        }
        text.push_str(
            "\n| profile | file | ended | code | seconds |\n| --- | --- | --- | --- | --- |\n",
        );
        text.extend(self.rows.iter().map(|row| format!("| {} |\n", row.replace('\t', " | "))));
        let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        fs::create_dir_all(&results).unwrap();
        fs::write(results.join("media.md"), text).unwrap();
    }
}

fn missing(what: &str) {
    use std::io::Write as _;
    // Straight to the descriptor: libtest would swallow a captured print.
    let _ = writeln!(
        std::io::stderr(),
        "MISSING: ../shared/media beside the repository: {what} was not run"
    );
}
