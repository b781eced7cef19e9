//! Which track is the picture and which the sound, and which codecs we decode.

use super::raw::RawStream;

/// Picture codecs we decode.
const VIDEO: [&str; 33] = [
    "h264",
    "hevc",
    "vp8",
    "vp9",
    "av1",
    "mpeg4",
    "mpeg1video",
    "mpeg2video",
    "h263",
    "h263p",
    "h261",
    "flv1",
    "mjpeg",
    "prores",
    "dnxhd",
    "wmv1",
    "wmv2",
    "wmv3",
    "vc1",
    "msmpeg4v1",
    "msmpeg4v2",
    "msmpeg4v3",
    "theora",
    "gif",
    "dvvideo",
    "rawvideo",
    "ffv1",
    "huffyuv",
    "png",
    "qtrle",
    "svq3",
    "vp6f",
    "cinepak",
];

/// Sound codecs we decode. Sound in any other is left out.
const AUDIO: [&str; 24] = [
    "aac",
    "aac_latm",
    "mp3",
    "mp2",
    "mp1",
    "ac3",
    "eac3",
    "opus",
    "vorbis",
    "flac",
    "alac",
    "amr_nb",
    "amr_wb",
    "dts",
    "truehd",
    "wmav1",
    "wmav2",
    "wmapro",
    "speex",
    "nellymoser",
    "adpcm_ms",
    "adpcm_ima_wav",
    "adpcm_ima_qt",
    "gsm_ms",
];

/// A picture this much smaller (in area) than the largest is not the video.
const AUXILIARY: u64 = 16;

/// True for a picture codec we decode.
pub(super) fn decodes_video(codec: &str) -> bool {
    VIDEO.contains(&codec)
}

fn decodes_audio(codec: &str) -> bool {
    AUDIO.contains(&codec) || codec.starts_with("pcm_")
}

/// The picture track: not a cover, not a thumbnail, not a tiny or single-frame
/// companion of a real one; the default one, else the first.
pub(super) fn video(streams: &[RawStream]) -> Option<&RawStream> {
    let real: Vec<&RawStream> = streams
        .iter()
        .filter(|s| s.codec_type.is("video"))
        .filter(|s| !s.disposition.attached_pic.yes() && !s.disposition.timed_thumbnails.yes())
        .collect();
    let largest = real.iter().map(|s| area(s)).max()?;
    let moving = real.iter().any(|s| s.nb_frames.whole().is_none_or(|n| n > 1));
    let mut main = real.iter().filter(|s| {
        let tiny = area(s).saturating_mul(AUXILIARY) < largest;
        let still = moving && s.nb_frames.whole().is_some_and(|n| n <= 1);
        !tiny && !still
    });
    let known = |s: &&&RawStream| decodes_video(s.codec_name.str());
    let default = main.clone().filter(known).find(|s| s.disposition.default.yes());
    default.or_else(|| main.clone().find(known)).or_else(|| main.next()).or(real.first()).copied()
}

/// The first sound track that can be decoded.
pub(super) fn audio(streams: &[RawStream]) -> Option<&RawStream> {
    streams.iter().find(|s| {
        s.codec_type.is("audio")
            && decodes_audio(s.codec_name.str())
            && s.channels.whole().is_some_and(|n| n > 0)
            && s.sample_rate.whole().is_some_and(|n| n > 0)
    })
}

fn area(stream: &RawStream) -> u64 {
    let side = |text: &super::raw::Text| text.whole().unwrap_or(0);
    side(&stream.width).saturating_mul(side(&stream.height))
}
