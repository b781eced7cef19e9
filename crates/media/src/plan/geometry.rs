//! Sizes: upright, square pixels, inside a box, even, never enlarged, never zero.

use crate::probe::{Rate, Video};

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// The size a viewer sees: square pixels, after turning.
fn shown(video: &Video) -> (f64, f64) {
    let (num, den) = video.pixel_aspect;
    // Beyond this an aspect is a lie that would leave a line of pixels.
    let aspect = (f64::from(num) / f64::from(den)).clamp(1.0 / 16.0, 16.0);
    let (width, height) = (f64::from(video.width) * aspect, f64::from(video.height));
    if video.quarter_turn { (height, width) } else { (width, height) }
}

/// The size of `video` shrunk to a box given in landscape; a portrait picture
/// gets the box turned.
pub(super) fn fit(video: &Video, box_width: u32, box_height: u32) -> Size {
    let (width, height) = shown(video);
    let (most_w, most_h) =
        if height > width { (box_height, box_width) } else { (box_width, box_height) };
    within(width, height, most_w, most_h)
}

/// The size of `video` inside a box that does not turn.
pub(super) fn fit_upright(video: &Video, box_width: u32, box_height: u32) -> Size {
    let (width, height) = shown(video);
    let scale = (f64::from(box_width) / width).min(f64::from(box_height) / height);
    let even_up_to = |side: f64, most: u32| even(side * scale).min(most);
    Size { width: even_up_to(width, box_width), height: even_up_to(height, box_height) }
}

fn within(width: f64, height: f64, most_w: u32, most_h: u32) -> Size {
    let scale = (f64::from(most_w) / width).min(f64::from(most_h) / height).min(1.0);
    let side = |full: f64, most: u32| {
        let rounded = even(full * scale);
        // Rounding up an odd side would enlarge it.
        let rounded = if f64::from(rounded) > full && rounded > 2 { rounded - 2 } else { rounded };
        rounded.min(most)
    };
    Size { width: side(width, most_w), height: side(height, most_h) }
}

/// The nearest even number of pixels, at least two.
fn even(side: f64) -> u32 {
    // The cast saturates; sides are far below its range.
    ((side / 2.0).round() as u32).saturating_mul(2).max(2)
}

/// The source's rate, capped.
pub(super) fn capped(rate: Rate, max_fps: u32) -> Rate {
    if rate.fps() > f64::from(max_fps) { Rate::whole(max_fps) } else { rate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::video;

    #[test]
    fn a_picture_shrinks_to_its_box_and_is_never_enlarged() {
        for (width, height, quarter_turn, aspect, expect) in [
            (1920, 1080, false, (1, 1), (1280, 720)),
            (1920, 1080, true, (1, 1), (720, 1280)),
            (1080, 1920, false, (1, 1), (720, 1280)),
            (1440, 1080, false, (4, 3), (1280, 720)),
            (720, 576, false, (16, 11), (1046, 576)),
            (640, 480, false, (1, 1), (640, 480)),
            (321, 241, false, (1, 1), (320, 240)),
            (1, 1, false, (1, 1), (2, 2)),
            (8192, 2, false, (1, 1), (1280, 2)),
            (100, 100, false, (u32::MAX, 1), (1280, 80)),
            (296, 640, false, (1, 1), (296, 640)),
        ] {
            let mut video = video(width, height);
            video.quarter_turn = quarter_turn;
            video.pixel_aspect = aspect;
            let got = fit(&video, 1280, 720);
            assert_eq!((got.width, got.height), expect, "{width}x{height}");
        }
    }
}
