//! Decides, from ffprobe's answer alone, whether a video may be processed.

use super::choose;
use super::raw::{RawProbe, RawStream, Text};
use super::source::{Audio, Hdr, Rate, Source, Video};
use crate::{Code, Limits, Reason};

/// "All bits set" in the counters containers use for "unknown".
const UNKNOWN_TICKS: [u64; 4] = [u32::MAX as u64, i32::MAX as u64, u64::MAX, i64::MAX as u64];

/// So many frames are let through at any claimed rate: Matroska and FLV often
/// report their clock's rate for short clips.
const FEW_FRAMES: f64 = 3000.0;

/// A track may be noted to end this much after its file, which rounds.
const NOTED_SLACK_S: f64 = 1.0;

/// The output rate when a file says nothing usable.
const FALLBACK: Rate = Rate::whole(30);

/// Rates a variable-rate video is brought to: the next one above its average.
const STEPS: [Rate; 9] = [
    Rate::whole(5),
    Rate::whole(10),
    Rate::whole(15),
    Rate::whole(20),
    Rate::whole(24),
    Rate::whole(25),
    Rate::whole(30),
    Rate::whole(50),
    Rate::whole(60),
];

/// The facts of an acceptable video, or the reason to refuse it.
pub fn gate(raw: &RawProbe, limits: &Limits) -> Result<Source, Reason> {
    let streams = raw.streams.len().max(raw.format.nb_streams.whole().unwrap_or(0) as usize);
    if streams > limits.max_streams {
        let most = limits.max_streams;
        return Err(Code::TooManyStreams
            .because(format!("The file has {streams} tracks; at most {most} are accepted.")));
    }
    let encrypted = raw.streams.iter().any(is_encrypted);
    let stream = choose::video(&raw.streams).ok_or_else(|| Code::NoPicture.reason())?;
    let video = video(stream, raw, limits, encrypted)?;
    let audio = choose::audio(&raw.streams).and_then(|stream| audio(stream, raw));
    let source = Source {
        container: raw.format.format_name.str().to_owned(),
        duration_s: duration(raw, stream),
        all_used: raw.streams.len() == 1 + usize::from(audio.is_some()),
        video,
        audio,
        bit_rate: raw.format.bit_rate.whole(),
        encrypted,
    };
    length(&source, stream, limits)?;
    Ok(source)
}

fn is_encrypted(stream: &RawStream) -> bool {
    matches!(stream.codec_tag_string.str(), "encv" | "enca")
        || stream
            .side_data_list
            .iter()
            .any(|data| data.side_data_type.str().starts_with("Encryption"))
}

fn video(
    stream: &RawStream,
    raw: &RawProbe,
    limits: &Limits,
    encrypted: bool,
) -> Result<Video, Reason> {
    let codec = stream.codec_name.str();
    if !choose::decodes_video(codec) {
        let code = if encrypted { Code::Encrypted } else { Code::UnsupportedCodec };
        return Err(code.reason());
    }
    let side = |text: &Text| text.whole().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    let (Some(width), Some(height)) = (side(&stream.width), side(&stream.height)) else {
        let code = if encrypted { Code::Encrypted } else { Code::Undecodable };
        return Err(code.reason());
    };
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.max_pixels || width.max(height) > limits.max_side {
        return Err(Code::PictureTooLarge
            .because(format!("The picture of {width}×{height} pixels is too large.")));
    }
    let (rate, constant_rate) = rate(stream);
    let matrix = stream.side_data_list.iter().find(|data| data.side_data_type.is("Display Matrix"));
    Ok(Video {
        index: stream.index.whole().and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        codec: codec.to_owned(),
        profile: stream.profile.str().to_owned(),
        level: stream.level.whole().and_then(|n| u32::try_from(n).ok()),
        width,
        height,
        pixel_aspect: stream.sample_aspect_ratio.ratio().unwrap_or((1, 1)),
        quarter_turn: matrix.is_some_and(|data| quarter_turn(data.rotation.number())),
        has_matrix: matrix.is_some(),
        pix_fmt: stream.pix_fmt.str().to_owned(),
        rate,
        constant_rate,
        hdr: match stream.color_transfer.str() {
            "smpte2084" => Some(Hdr::Pq),
            "arib-std-b67" => Some(Hdr::Hlg),
            _ => None,
        },
        full_range: stream.color_range.is("pc") || stream.pix_fmt.str().starts_with("yuvj"),
        matrix_709: stream.color_space.is("bt709"),
        interlaced: matches!(stream.field_order.str(), "tt" | "bb" | "tb" | "bt"),
        start_s: start(stream, file_start(raw)),
        duration_s: if raw.guessed_duration { None } else { track_duration(stream) },
        noted_end_s: noted_end(stream, raw),
        bit_rate: stream.bit_rate.whole(),
    })
}

fn audio(stream: &RawStream, raw: &RawProbe) -> Option<Audio> {
    Some(Audio {
        index: u32::try_from(stream.index.whole()?).ok()?,
        codec: stream.codec_name.str().to_owned(),
        profile: stream.profile.str().to_owned(),
        channels: u32::try_from(stream.channels.whole()?).ok()?,
        sample_rate: u32::try_from(stream.sample_rate.whole()?).ok()?,
        start_s: start(stream, file_start(raw)),
        noted_end_s: noted_end(stream, raw),
    })
}

fn file_start(raw: &RawProbe) -> f64 {
    raw.format.start_time.number().unwrap_or(0.0)
}

fn start(stream: &RawStream, file_start: f64) -> f64 {
    stream.start_time.number().map_or(0.0, |at| (at - file_start).max(0.0))
}

/// ffmpeg's own rule for when turning swaps width and height. It ignores what
/// is not a finite angle, as we do (`rotation` can be the smallest integer).
fn quarter_turn(rotation: Option<f64>) -> bool {
    let angle = rotation.filter(|angle| angle.abs() <= 360.0).unwrap_or(0.0).rem_euclid(360.0);
    (angle - 90.0).abs() < 1.0 || (angle - 270.0).abs() < 1.0
}

/// The rate of the output, and whether the source keeps to it.
///
/// Outputs have a constant rate: it is what players and segments need, and it
/// bounds the work by duration × rate. A source whose two rates disagree has a
/// variable rate and gets the next usual step above its average.
fn rate(stream: &RawStream) -> (Rate, bool) {
    let real = stream.r_frame_rate.ratio().map(|(num, den)| Rate { num, den });
    let average = stream.avg_frame_rate.ratio().map(|(num, den)| Rate { num, den });
    let usable = |rate: &Rate| (0.1..=960.0).contains(&rate.fps());
    match (real.filter(usable), average.filter(usable)) {
        (Some(real), Some(average)) if (real.fps() / average.fps() - 1.0).abs() < 0.02 => {
            (real, true)
        }
        (Some(real), Some(average)) if average.fps() > real.fps() => (real, false),
        (_, Some(average)) => (step(average), false),
        (Some(real), None) => (real, false),
        (None, None) => (FALLBACK, false),
    }
}

fn step(average: Rate) -> Rate {
    STEPS.into_iter().find(|step| step.fps() >= average.fps() * 0.98).unwrap_or(average)
}

/// A track's own declared duration, unless it is a way to say "unknown".
fn track_duration(stream: &RawStream) -> Option<f64> {
    let unknown = stream.duration_ts.whole().is_some_and(|ticks| UNKNOWN_TICKS.contains(&ticks));
    stream.duration.positive().filter(|_| !unknown)
}

/// Where a track ends by its tag. A tag outlives edits that make it wrong: one
/// that says more than the whole file is none, and so it never asks for more.
fn noted_end(stream: &RawStream, raw: &RawProbe) -> Option<f64> {
    if raw.guessed_duration || !raw.format.format_name.is("matroska,webm") {
        return None;
    }
    let whole = raw.format.duration.positive()?;
    let seconds = stream.tags.seconds().filter(|s| *s <= whole + NOTED_SLACK_S)?;
    // ffmpeg counts from zero, the result from the file's first moment.
    Some(seconds - file_start(raw).max(0.0)).filter(|end| *end > 0.0)
}

/// How long the result is expected to be.
fn duration(raw: &RawProbe, video: &RawStream) -> Option<f64> {
    if raw.guessed_duration {
        return None;
    }
    let file_start = file_start(raw);
    let chosen: Vec<&RawStream> =
        [Some(video), choose::audio(&raw.streams)].into_iter().flatten().collect();
    let ends: Vec<Option<f64>> = chosen
        .iter()
        .map(|s| track_duration(s).map(|length| start(s, file_start) + length))
        .collect();
    if ends.iter().all(Option::is_some) {
        return ends.into_iter().flatten().reduce(f64::max);
    }
    // Some containers declare only the whole file's duration. It is worth
    // nothing once any track's is a sentinel: it was computed from that.
    let sentinel = raw
        .streams
        .iter()
        .any(|s| s.duration_ts.whole().is_some_and(|t| UNKNOWN_TICKS.contains(&t)));
    raw.format.duration.positive().filter(|_| !sentinel)
}

/// Limits on time, rate, and their product.
fn length(source: &Source, stream: &RawStream, limits: &Limits) -> Result<(), Reason> {
    let most = limits.max_duration.as_secs_f64();
    let duration = source.duration_s.unwrap_or(0.0).max(source.video.duration_s.unwrap_or(0.0));
    if duration > most {
        return Err(Code::TooLong.because(format!(
            "The video is {:.1} hours long; at most {:.1} are accepted.",
            duration / 3600.0,
            most / 3600.0
        )));
    }
    let frames = stream.nb_frames.whole().filter(|n| *n > 1);
    let counted =
        frames.zip(source.video.duration_s).map(|(frames, length)| frames as f64 / length);
    // Some containers report their clock as the average rate: believe the
    // smaller of the two, and a count of frames before either.
    let claimed = |text: &Text| text.ratio().map(|(num, den)| f64::from(num) / f64::from(den));
    let lower =
        claimed(&stream.avg_frame_rate).zip(claimed(&stream.r_frame_rate)).map(|(a, b)| a.min(b));
    // A handful of frames costs nothing, whatever rate they claim.
    if let Some(fps) = counted.or(lower)
        && fps > limits.max_fps
        && fps * duration > FEW_FRAMES
    {
        return Err(
            Code::FrameRateTooHigh.because(format!("The video has {fps:.0} frames per second."))
        );
    }
    let planned = duration * source.video.rate.fps().min(60.0);
    if planned > limits.max_frames as f64
        || frames.is_some_and(|n| n > limits.max_frames.saturating_mul(2))
    {
        return Err(Code::TooManyFrames.reason());
    }
    Ok(())
}
