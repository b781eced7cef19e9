//! The rungs of an adaptive ladder for one source.

use super::geometry::{Size, fit};
use crate::probe::Video;
use crate::profile::Ladder;

/// One rung: a size, a ceiling on its bit rate, a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// `720p`: the shorter side.
    pub name: String,
    /// The picture.
    pub size: Size,
    pub(crate) max_kbps: u32,
}

/// The rungs not above the source, largest first; at least one. The top rung
/// takes the source's own size when that lies between two rungs, and a rung
/// hardly smaller than the one above it is left out.
pub(super) fn rungs(video: &Video, ladder: &Ladder) -> Vec<Rung> {
    let mut rungs: Vec<Rung> = Vec::new();
    for recipe in &ladder.rungs {
        let size = fit(video, recipe.width, recipe.height);
        let rung = Rung { name: format!("{}p", short(size)), size, max_kbps: recipe.max_kbps };
        match rungs.last_mut() {
            // The source fits this rung too: it needs no more than its bit rate.
            Some(above) if above.size == size => above.max_kbps = recipe.max_kbps,
            Some(above) if short(size) * 10 > short(above.size) * 9 => {}
            _ => rungs.push(rung),
        }
    }
    rungs
}

fn short(size: Size) -> u32 {
    size.width.min(size.height)
}

/// The largest rung inside the MP4's box, else the smallest.
pub(super) fn mp4_rung(rungs: &[Rung], most: Size) -> usize {
    let fits = |rung: &Rung| {
        let (long, side) = (rung.size.width.max(rung.size.height), short(rung.size));
        long <= most.width && side <= most.height
    };
    rungs.iter().position(fits).unwrap_or(rungs.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::video;
    use crate::profile::Profiles;

    fn names(width: u32, height: u32) -> Vec<String> {
        let profiles = Profiles::builtin();
        let ladder = profiles.get("hls").and_then(|hls| hls.hls.clone()).expect("hls has a ladder");
        rungs(&video(width, height), &ladder).into_iter().map(|rung| rung.name).collect()
    }

    #[test]
    fn no_rung_is_above_the_source_and_there_is_always_one() {
        assert_eq!(names(3840, 2160), ["1080p", "720p", "480p", "360p"]);
        assert_eq!(names(1080, 1920), ["1080p", "720p", "480p", "360p"]);
        assert_eq!(names(800, 640), ["640p", "480p", "360p"]);
        assert_eq!(names(640, 360), ["360p"]);
        assert_eq!(names(1, 1), ["2p"]);
    }
}
