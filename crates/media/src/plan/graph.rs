//! The filter graph of an encode.
//!
//! ```text
//! decode ▶ deinterlace ▶ shrink ▶ tone-map ▶ 8-bit 4:2:0
//!        ▶ bars, mark, cards ▶ split ▶ every rung from the one above ▶ constant rate ▶ poster
//! ```

use super::geometry::Size;
use crate::probe::{Hdr, Rate, Video};
use crate::profile::{Cards, Watermark};

/// The card's background.
const CARD: &str = "0x14213d";

/// What the graph is made from.
pub(super) struct Graph<'a> {
    pub(super) video: &'a Video,
    pub(super) rate: Rate,
    /// Sizes of the encoded pictures, largest first; outputs `v0`, `v1`, ….
    pub(super) sizes: &'a [Size],
    /// Fill this frame with bars.
    pub(super) pad: Option<Size>,
    pub(super) watermark: Option<&'a Watermark>,
    pub(super) cards: Option<&'a Cards>,
    /// Which of the sizes the poster has.
    pub(super) poster_rung: usize,
    /// Moment of the poster, output `p`.
    pub(super) poster_s: Option<f64>,
}

impl Graph<'_> {
    /// The whole graph as ffmpeg reads it.
    pub(super) fn text(&self) -> String {
        let mut chains = vec![format!("[0:{}]{}[base]", self.video.index, self.base())];
        let mut at = "base".to_owned();
        if let Some(frame) = self.pad {
            at = self.decorate(&mut chains, &at, frame);
        }
        self.fan_out(&mut chains, &at);
        chains.join(";")
    }

    /// From the decoder to upright 8-bit frames of the largest size.
    fn base(&self) -> String {
        let Some(size) = self.sizes.first() else { return "null".to_owned() };
        let mut filters = Vec::new();
        if self.video.interlaced && self.video.width.min(self.video.height) >= 4 {
            filters.push("yadif=mode=send_frame:deint=interlaced".to_owned());
        }
        if self.drops_frames() {
            filters.push(self.constant_rate());
        }
        let rgb = is_rgb(&self.video.pix_fmt);
        let matrix = if rgb { ":out_color_matrix=bt709" } else { "" };
        let range = if self.video.hdr.is_some() { "" } else { ":out_range=tv" };
        filters.push(format!("scale={}:{}{range}{matrix}", size.width, size.height));
        match self.video.hdr {
            Some(hdr) if !rgb => filters.extend(tone_map(hdr, self.video)),
            _ => {}
        }
        filters.push("format=yuv420p".to_owned());
        if rgb {
            filters.push(
                "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
                    .to_owned(),
            );
        }
        filters.push("setsar=1".to_owned());
        if !self.drops_frames() && self.pad.is_some() {
            filters.push(self.constant_rate());
        }
        filters.join(",")
    }

    /// The source has more frames than are wanted: those that go are not scaled first. Else the
    /// frames that a rest of the picture is filled up with come last, as they are one picture in
    /// memory only until somebody scales them: a screen that stood still for five minutes took
    /// 5.9 GB, and takes 0.1 GB this way (720p to 540p, 25 frames/s, ffmpeg 5.1.9).
    fn drops_frames(&self) -> bool {
        self.video.rate.fps() > self.rate.fps()
    }

    /// Without `eof_action` a clip shorter than half a frame would vanish.
    fn constant_rate(&self) -> String {
        format!("fps=fps={}:start_time=0:eof_action=pass", self.rate)
    }

    /// Bars, mark and cards. Returns the label of what comes out.
    fn decorate(&self, chains: &mut Vec<String>, from: &str, frame: Size) -> String {
        let Size { width, height } = frame;
        chains.push(format!(
            "[{from}]pad={width}:{height}:(ow-iw)/2:(oh-ih)/2:black,setsar=1[padded]"
        ));
        let mut at = "padded";
        let opening = self.cards.map_or(0.0, |cards| cards.opening_s);
        let closing = self.cards.map_or(0.0, |cards| cards.closing_s);
        let logos = [("logo0", opening), ("logo1", closing)];
        let logos: Vec<_> = logos.into_iter().filter(|(_, length)| *length > 0.0).collect();
        let mark = self.watermark.map(|_| "mark");
        let users: Vec<&str> =
            mark.into_iter().chain(logos.iter().map(|(name, _)| *name)).collect();
        if !users.is_empty() {
            let labels: String = users.iter().map(|name| format!("[{name}_in]")).collect();
            chains.push(format!("[1:v]format=rgba,split={}{labels}", users.len()));
        }
        if let Some(mark) = self.watermark {
            chains.push(format!("[mark_in]scale={}:-2[mark]", mark.width));
            chains.push(format!("[padded][mark]overlay=W-w-{0}:{0}[marked]", mark.margin));
            at = "marked";
        }
        if logos.is_empty() {
            return at.to_owned();
        }
        for (name, length) in &logos {
            chains.push(format!(
                "color=c={CARD}:s={width}x{height}:r={}:d={length},format=yuv420p,setsar=1[{name}_card]",
                self.rate
            ));
            chains.push(format!("[{name}_card][{name}_in]overlay=(W-w)/2:(H-h)/2[{name}]"));
        }
        let part =
            |name: &str| logos.iter().any(|(logo, _)| *logo == name).then(|| format!("[{name}]"));
        let parts = [part("logo0"), Some(format!("[{at}]")), part("logo1")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        chains.push(format!("{}concat=n={}:v=1:a=0,setsar=1[whole]", parts.concat(), parts.len()));
        "whole".to_owned()
    }

    /// Splits into the rungs, each scaled from the one above, and the poster.
    fn fan_out(&self, chains: &mut Vec<String>, from: &str) {
        let mut from = from.to_owned();
        let at_rate = self.drops_frames() || self.pad.is_some();
        let rate = if at_rate { String::new() } else { self.constant_rate() + "," };
        for (rung, size) in self.sizes.iter().enumerate() {
            let mut labels = vec![format!("[v{rung}]")];
            if rung == self.poster_rung && self.poster_s.is_some() {
                labels.push("[still]".to_owned());
            }
            let mut scale = if rung == 0 {
                String::new()
            } else {
                format!("scale={}:{},setsar=1,", size.width, size.height)
            };
            let next = format!("r{}", rung + 1);
            if rung + 1 < self.sizes.len() {
                chains.push(format!("[{from}]{scale}split=2[s{rung}][{next}]"));
                (from, scale) = (format!("s{rung}"), String::new());
            }
            chains.push(format!("[{from}]{scale}{rate}split={}{}", labels.len(), labels.concat()));
            from = next;
        }
        if let Some(at) = self.poster_s {
            // The first frame, and over it the one at the wanted moment: so a
            // video shorter than it claims still has a poster.
            chains.push(format!(
                "[still]select='isnan(prev_selected_t)+lt(prev_selected_t,{at})*gte(t,{at})',{}[p]",
                poster_pixels()
            ));
        }
    }
}

/// JPEG's pixels: full range.
pub(super) fn poster_pixels() -> &'static str {
    "scale=out_range=pc,format=yuvj420p"
}

/// HDR to BT.709: to linear light, roll off the highlights, back to 8-bit. The
/// input's colours are given, since files often leave some of them out.
fn tone_map(hdr: Hdr, video: &Video) -> Vec<String> {
    let transfer = match hdr {
        Hdr::Pq => "smpte2084",
        Hdr::Hlg => "arib-std-b67",
    };
    let matrix = if video.matrix_709 { "709" } else { "2020_ncl" };
    let range = if video.full_range { "full" } else { "limited" };
    vec![
        format!("zscale=tin={transfer}:pin=2020:min={matrix}:rin={range}:t=linear:npl=100"),
        "format=gbrpf32le".to_owned(),
        "zscale=p=709".to_owned(),
        "tonemap=tonemap=hable:desat=0".to_owned(),
        "zscale=t=709:m=709:r=limited".to_owned(),
    ]
}

fn is_rgb(pix_fmt: &str) -> bool {
    ["rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "mono"]
        .iter()
        .any(|start| pix_fmt.starts_with(start))
}
