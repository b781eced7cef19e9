//! What comes out of the fleet, seen by somebody else's eyes: ffprobe and a bare ffmpeg.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// What ffprobe says about a file.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Codec of the first picture.
    pub codec: String,
    /// Its pixel format.
    pub pix_fmt: String,
    /// Its coded width.
    pub width: u64,
    /// Its coded height.
    pub height: u64,
    /// A player is told to turn or to stretch it.
    pub is_altered_by_player: bool,
    /// Codecs of the sound tracks.
    pub sound: Vec<String>,
    /// Number of streams of any kind.
    pub streams: usize,
    /// Seconds.
    pub duration_s: f64,
}

fn run(program: &str, before: &[&str], file: &Path, after: &[&str]) -> Output {
    #[expect(clippy::disallowed_methods, reason = "outputs are judged by other programs")]
    Command::new(program)
        .args(before)
        .arg(file)
        .args(after)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program} does not start: {error}"))
}

/// Asks ffprobe.
///
/// # Panics
///
/// ffprobe cannot read the file.
#[must_use]
pub fn facts(file: &Path) -> Facts {
    let words = ["-v", "error", "-of", "json", "-show_streams", "-show_format"];
    let output = run("ffprobe", &words, file, &[]);
    assert!(output.status.success(), "{}: ffprobe: {output:?}", file.display());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let streams = said["streams"].as_array().cloned().unwrap_or_default();
    let of = |kind: &str| streams.iter().filter(|s| s["codec_type"] == kind).collect::<Vec<_>>();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let picture = of("video").first().copied().cloned().unwrap_or_default();
    let matrix = picture["side_data_list"].to_string().contains("Display Matrix");
    let aspect = picture["sample_aspect_ratio"].as_str().unwrap_or("1:1");
    Facts {
        codec: text(&picture["codec_name"]),
        pix_fmt: text(&picture["pix_fmt"]),
        width: picture["width"].as_u64().unwrap_or_default(),
        height: picture["height"].as_u64().unwrap_or_default(),
        is_altered_by_player: matrix || !matches!(aspect, "1:1" | "0:1" | "N/A"),
        sound: of("audio").iter().map(|s| text(&s["codec_name"])).collect(),
        streams: streams.len(),
        duration_s: text(&said["format"]["duration"]).parse().unwrap_or_default(),
    }
}

/// Decodes all of it. What ffmpeg complains about, nothing if it is whole.
#[must_use]
pub fn complaints(file: &Path) -> String {
    let output = run("ffmpeg", &["-nostdin", "-v", "error", "-i"], file, &["-f", "null", "-"]);
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        said.push_str(&output.status.to_string());
    }
    said
}

/// How far a bare ffmpeg gets in a source, in seconds; nothing if it shows no picture at all.
#[must_use]
pub fn decodes_to(file: &Path) -> Option<f64> {
    // Sound that does not decode keeps ffmpeg from starting: the picture alone counts then.
    play(file, &["-map", "0:v:0", "-map", "0:a:0?"]).or_else(|| picture_decodes_to(file))
}

/// The same of the picture alone.
#[must_use]
pub fn picture_decodes_to(file: &Path) -> Option<f64> {
    play(file, &["-map", "0:v:0"])
}

fn play(file: &Path, tracks: &[&str]) -> Option<f64> {
    let before = ["-nostdin", "-v", "quiet", "-progress", "pipe:1", "-i"];
    let output = run("ffmpeg", &before, file, &[tracks, &["-f", "null", "-"]].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    let last = |name: &str| {
        said.lines().rev().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
    };
    let frames = last("frame=").unwrap_or_default();
    (frames >= 1.0).then(|| last("out_time_us=").unwrap_or_default() / 1e6)
}

/// A digest of the compressed pictures, without their container and times.
///
/// # Panics
///
/// The file has no picture.
#[must_use]
pub fn packets(file: &Path) -> String {
    let after = ["-map", "0:v:0", "-c", "copy", "-f", "streamhash", "-hash", "sha256", "-"];
    let output = run("ffmpeg", &["-nostdin", "-v", "error", "-i"], file, &after);
    assert!(output.status.success(), "{}: {output:?}", file.display());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Colours of the four quarters of the first picture as a plain player shows it, row by row.
///
/// # Panics
///
/// There is no picture.
#[must_use]
pub fn quarters(file: &Path) -> [[u8; 3]; 4] {
    let after = [
        "-map",
        "0:v:0",
        "-frames:v",
        "1",
        "-vf",
        "scale=2:2:flags=area",
        "-pix_fmt",
        "rgb24",
        "-f",
        "rawvideo",
        "-",
    ];
    let before = ["-nostdin", "-v", "error", "-noautorotate", "-i"];
    let output = run("ffmpeg", &before, file, &after);
    let mut colours = [[0; 3]; 4];
    assert_eq!(output.stdout.len(), 12, "{}: {output:?}", file.display());
    for (colour, bytes) in colours.iter_mut().zip(output.stdout.chunks_exact(3)) {
        colour.copy_from_slice(bytes);
    }
    colours
}

/// What is wrong with an MP4 that everybody should be able to play; empty if nothing is.
#[must_use]
pub fn faults(file: &Path) -> Vec<String> {
    let found = facts(file);
    let mut faults = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            faults.push(what);
        }
    };
    expect(found.codec == "h264", format!("the picture is {}", found.codec));
    expect(found.pix_fmt == "yuv420p", format!("pixels are {}", found.pix_fmt));
    let even = found.width.is_multiple_of(2) && found.height.is_multiple_of(2);
    expect(even && found.width > 0, format!("{}x{}", found.width, found.height));
    expect(!found.is_altered_by_player, "a player must turn or stretch it".to_owned());
    expect(found.sound.len() <= 1, format!("sound: {:?}", found.sound));
    expect(found.sound.iter().all(|codec| codec == "aac"), format!("sound: {:?}", found.sound));
    expect(found.streams == 1 + found.sound.len(), format!("{} streams", found.streams));
    let complaints = complaints(file);
    expect(complaints.is_empty(), format!("it does not decode: {complaints}"));
    faults
}

/// Whether a duration is right: within a second or two hundredths.
#[must_use]
pub fn is_about(got: f64, wanted: f64) -> bool {
    (got - wanted).abs() <= (wanted * 0.02).max(1.0)
}
