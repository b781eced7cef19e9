//! Small clips, made by ffmpeg when a test needs them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Runs ffmpeg in a folder with words, and a last word for the file; the file.
///
/// # Panics
///
/// ffmpeg fails.
pub fn make(folder: &Path, name: &str, words: &str) -> PathBuf {
    let file = folder.join(name);
    if file.exists() {
        return file;
    }
    #[expect(clippy::disallowed_methods, reason = "test clips are made here")]
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"])
        .args(words.split_whitespace())
        .arg(Path::new(".").join(name))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    match made {
        Ok(output) if output.status.success() => file,
        other => panic!("ffmpeg could not make {name}: {other:?}"),
    }
}

/// One second, 320×240, with sound: transcodes in a moment.
#[must_use]
pub fn short(folder: &Path) -> PathBuf {
    make(
        folder,
        "short.mkv",
        "-f lavfi -i testsrc2=s=320x240:r=25 -f lavfi -i sine -t 1 -c:v mpeg4 -c:a libmp3lame",
    )
}

/// Four minutes that take more than one to transcode on one thread, and nothing to make: the
/// same six seconds again and again.
#[must_use]
pub fn long(folder: &Path) -> PathBuf {
    let words = "-f lavfi -i testsrc2=s=1280x720:r=30 -t 6 -c:v mpeg4 -q:v 20 -g 180 -threads 2";
    make(folder, "once.mkv", words);
    make(folder, "long.mkv", "-stream_loop 39 -i once.mkv -c copy")
}

/// A few seconds that take about as long to transcode on one thread.
#[must_use]
pub fn medium(folder: &Path) -> PathBuf {
    make(folder, "medium.mkv", "-f lavfi -i testsrc2=s=960x540:r=25 -t 6 -c:v mpeg4 -q:v 8")
}

/// The same MP4 with word for the player to turn it a quarter clockwise, as phones write it.
///
/// # Panics
///
/// It is no MP4 of ffmpeg's.
#[must_use]
pub fn turned(mut mp4: Vec<u8>) -> Vec<u8> {
    let head =
        mp4.windows(4).position(|kind| kind == b"tkhd").unwrap_or_else(|| panic!("no track"));
    let quarter = [0, 0x1_0000, 0, -0x1_0000, 0, 0, 0, 0, 0x4000_0000_i32];
    let bytes: Vec<u8> = quarter.iter().flat_map(|number| number.to_be_bytes()).collect();
    // Kind, version and flags, two times, id, reserved, duration, and 16 bytes that do not matter here.
    let at = head + 44;
    mp4.splice(at..at + bytes.len(), bytes);
    mp4
}

/// What a result depends on: the commit, the processor and its cores, ffmpeg.
#[must_use]
pub fn machine() -> String {
    let say = |program: &str, words: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "results name what they were made with")]
        let output = Command::new(program).args(words).output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    };
    let here = ["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"];
    let commit = say("git", &here);
    let ffmpeg = say("ffmpeg", &["-version"]);
    let ffmpeg = ffmpeg.split_whitespace().nth(2).unwrap_or("?").to_owned();
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = model.map_or("unknown processor", |(_, model)| model);
    format!("commit {}, {cores} cores of {model}, ffmpeg {ffmpeg}", commit.trim())
}
