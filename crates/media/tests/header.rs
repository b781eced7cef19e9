//! What a plain MP4's own header says must be what ffprobe says of the file.

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use reelfleet_media::{Source, ask_ffprobe, from_header};
use support::Bench;

const PICTURE: &str = "-f lavfi -i testsrc2=s=640x360:r=25:d=2";
const TONE: &str = "-f lavfi -i sine=f=440:d=2";
const FAST: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";

/// What the header says, after checking that ffprobe says the same.
async fn agreed(bench: &Bench, file: &Path) -> Option<Source> {
    let dir = bench.job(file);
    let header = from_header(&dir, &bench.limits).await;
    if let Some(source) = &header {
        let asked = ask_ffprobe(&bench.tools, &dir, &bench.limits, &bench.stop).await;
        assert_eq!(Some(source), asked.as_ref().ok(), "{}: ffprobe: {asked:?}", file.display());
    }
    dir.remove().expect("removal");
    header
}

#[tokio::test]
async fn a_plain_mp4_is_understood_without_ffprobe() {
    let bench = Bench::new();
    for (name, args) in [
        ("silent.mp4", format!("{PICTURE} {FAST}")),
        ("sound.mp4", format!("{PICTURE} {TONE} {FAST} -c:a aac")),
        ("stereo.mp4", format!("{PICTURE} {TONE} {FAST} -c:a aac -ac 2 -ar 48000")),
        ("fast.mp4", format!("{PICTURE} {TONE} {FAST} -c:a aac -movflags +faststart")),
        ("b_frames.mp4", format!("{PICTURE} {TONE} -c:v libx264 -pix_fmt yuv420p -c:a aac")),
        (
            "ntsc.mp4",
            format!("{PICTURE} {TONE} -r 30000/1001 -c:v libx264 -pix_fmt yuv420p -c:a aac"),
        ),
        ("cropped.mov", format!("{PICTURE} -vf scale=634:354,setsar=1 {FAST}")),
        (
            "bt709.mp4",
            format!("{PICTURE} {FAST} -colorspace bt709 -color_trc bt709 -color_primaries bt709"),
        ),
    ] {
        let clip = bench.clip(name, &args);
        assert!(agreed(&bench, &clip).await.is_some(), "{name} was left to ffprobe");
    }
}

#[tokio::test]
async fn whatever_is_not_plain_is_left_to_ffprobe() {
    let bench = Bench::new();
    for (name, args) in [
        ("few.mp4", format!("{PICTURE} -frames:v 5 {FAST}")),
        ("deep.mp4", format!("{PICTURE} -c:v libx264 -preset ultrafast -pix_fmt yuv420p10le")),
        ("full_range.mp4", format!("{PICTURE} -vf scale=out_range=pc {FAST} -color_range pc")),
        ("hdr.mp4", format!("{PICTURE} {FAST} -color_trc smpte2084")),
        ("wide.mp4", format!("{PICTURE} -vf setsar=4/3 {FAST}")),
        ("interlaced.mp4", format!("{PICTURE} {FAST} -flags +ildct")),
        ("variable.mp4", format!("{PICTURE} -vf select='mod(n,7)' -vsync vfr {FAST}")),
        ("fragmented.mp4", format!("{PICTURE} {FAST} -movflags +frag_keyframe+empty_moov")),
        ("hevc.mp4", format!("{PICTURE} -c:v libx265 -preset ultrafast")),
        ("mp3.mp4", format!("{PICTURE} {TONE} {FAST} -c:a libmp3lame")),
        ("two_sounds.mp4", format!("{PICTURE} {TONE} {FAST} -c:a aac -map 0 -map 1 -map 1")),
        ("late_sound.mp4", format!("{PICTURE} -itsoffset 0.5 {TONE} {FAST} -c:a aac")),
        ("sound_only.m4a", format!("{TONE} -c:a aac")),
        ("matroska.mkv", format!("{PICTURE} {FAST}")),
    ] {
        let clip = bench.clip(name, &args);
        assert_eq!(agreed(&bench, &clip).await, None, "{name}");
    }
    let flat = bench.clip("flat.mp4", &format!("{PICTURE} {FAST}"));
    let turned = bench.temp.path().join("turned.mp4");
    support::generate(&format!("-i {} -c copy -metadata:s:v:0 rotate=90", flat.display()), &turned);
    assert_eq!(agreed(&bench, &turned).await, None, "turned");
    let bytes = std::fs::read(&flat).expect("clip");
    let cut = bench.file("cut.mp4", &bytes[..bytes.len() - 1]);
    assert_eq!(agreed(&bench, &cut).await, None, "cut");
    let joined = bench.file("joined.mp4", &bytes.repeat(2));
    assert_eq!(agreed(&bench, &joined).await, None, "joined");
}

/// A file whose movie box is `body`.
fn movie(body: &[u8]) -> Vec<u8> {
    let boxed = |kind: &[u8], inner: &[u8]| {
        let size = u32::try_from(inner.len() + 8).expect("a small box");
        [&size.to_be_bytes()[..], kind, inner].concat()
    };
    [boxed(b"ftyp", b"isom\0\0\0\0isom"), boxed(b"moov", body), boxed(b"mdat", &[0; 64])].concat()
}

#[tokio::test]
async fn boxes_in_boxes_without_end_and_endless_rows_of_boxes_cost_nothing() {
    let bench = Bench::new();
    for kind in [b"trak", b"dinf", b"moof", b"meta", b"moov", b"stsd", b"udta", b"free"] {
        // As many levels as fit, each around all that follows.
        let all: u32 = 400_000;
        let deep: Vec<u8> = (0..all)
            .flat_map(|level| [((all - level) * 8).to_be_bytes(), *kind].concat())
            .collect();
        let wide = [8_u32.to_be_bytes(), *kind].concat().repeat(all as usize);
        for body in [deep, wide] {
            let dir = bench.job(&bench.file("hostile.mp4", &movie(&body)));
            let began = std::time::Instant::now();
            assert_eq!(from_header(&dir, &bench.limits).await, None);
            assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
            dir.remove().expect("removal");
        }
    }
}

#[tokio::test]
async fn parameters_in_the_first_frame_outdo_the_headers_so_ffprobe_is_asked() {
    let bench = Bench::new();
    let plain = bench.clip("plain.mp4", &format!("{PICTURE} {FAST}"));
    assert!(agreed(&bench, &plain).await.is_some());
    let doubled = bench.temp.path().join("doubled.mp4");
    let filter = "-c copy -bsf:v h264_mp4toannexb,dump_extra";
    support::generate(&format!("-i {} {filter}", plain.display()), &doubled);
    assert_eq!(agreed(&bench, &doubled).await, None);
}

#[tokio::test]
async fn a_hurt_header_is_read_as_ffprobe_reads_it_or_leads_to_no_video() {
    let bench = Bench::new();
    let clip =
        bench.clip("clip.mp4", &format!("{PICTURE} {TONE} {FAST} -c:a aac -movflags +faststart"));
    let bytes = std::fs::read(&clip).expect("clip");
    let at = bytes.windows(4).position(|kind| kind == b"mdat").expect("media");
    let mut answered = 0;
    // The header, and the first bytes of the first frame. An odd stride hurts every kind of bit.
    let bits = (at + 64) * 8;
    for bit in (0..bits).step_by((bits / 120) | 1) {
        let mut hurt = bytes.clone();
        hurt[bit / 8] ^= 1 << (bit % 8);
        let file = bench.file("hurt.mp4", &hurt);
        let dir = bench.job(&file);
        let header = from_header(&dir, &bench.limits).await;
        let asked = ask_ffprobe(&bench.tools, &dir, &bench.limits, &bench.stop).await;
        answered += usize::from(header.is_some());
        if header.is_some() && header != asked.ok() {
            // The decoder's own settings are hurt: nobody may get a picture out of it.
            let made = bench.transcode(&dir, "web").await;
            assert!(made.is_err(), "bit {bit}: {header:?} became {made:?}");
        }
        dir.remove().expect("removal");
    }
    assert!(answered > 10, "only {answered} were understood at all");
}

#[tokio::test]
async fn the_two_agree_on_every_real_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/media/files");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        // Straight to the descriptor: libtest would swallow a captured print.
        let _ = writeln!(
            std::io::stderr(),
            "MISSING: ../shared/media beside the repository: only generated clips were compared"
        );
        return;
    };
    let bench = Bench::new();
    let files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let mut answered = Vec::new();
    for file in &files {
        if agreed(&bench, file).await.is_some() {
            answered.extend(file.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    answered.sort();
    eprintln!("{} of {} need no ffprobe: {answered:?}", answered.len(), files.len());
    assert!(answered.len() >= 10, "{answered:?}");
}
