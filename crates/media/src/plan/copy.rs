//! When a source already is what we would make, so that its picture is copied.

use crate::probe::{Audio, Source};
use crate::profile::{CopyRule, Profile};

/// H.264 profiles every browser decodes.
const PROFILES: [&str; 4] = ["Constrained Baseline", "Baseline", "Main", "High"];

/// Highest H.264 level that is passed on: 4.2, i.e. 1080p60.
const MAX_LEVEL: u32 = 42;

/// Most seconds a track may start after the file does.
const CLOSED_START_S: f64 = 0.1;

/// Containers whose timestamps and headers can be trusted for a copy.
const CONTAINERS: [&str; 2] = ["mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"];

/// True when the picture can be copied into an MP4 as it is.
pub(super) fn picture(source: &Source, profile: &Profile) -> bool {
    let Some(CopyRule { max_video_kbps }) = profile.copy else { return false };
    let video = &source.video;
    let frame = profile.frame;
    let (long, short) = (video.width.max(video.height), video.width.min(video.height));
    let rate = video.bit_rate.or(source.bit_rate);
    CONTAINERS.contains(&source.container.as_str())
        && video.codec == "h264"
        && PROFILES.contains(&video.profile.as_str())
        && video.level.is_some_and(|level| level <= MAX_LEVEL)
        && video.pix_fmt == "yuv420p"
        && !video.full_range
        && video.hdr.is_none()
        && !video.interlaced
        && !video.has_matrix
        && video.pixel_aspect == (1, 1)
        && long <= frame.width
        && short <= frame.height
        && video.width.is_multiple_of(2)
        && video.height.is_multiple_of(2)
        && video.constant_rate
        && video.rate.fps() <= f64::from(profile.video.max_fps)
        && video.start_s <= CLOSED_START_S
        && source.duration_s.is_some()
        && !source.encrypted
        && rate.is_some_and(|rate| rate <= max_video_kbps * 1000)
}

/// True when the sound can be copied as it is.
pub(super) fn sound(audio: &Audio) -> bool {
    audio.codec == "aac"
        && audio.profile == "LC"
        && audio.channels <= 2
        && (22_050..=48_000).contains(&audio.sample_rate)
        && audio.start_s <= CLOSED_START_S
}
