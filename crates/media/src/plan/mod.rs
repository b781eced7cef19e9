//! Decides what ffmpeg is told and what must come out. Pure: no file, no clock.

mod args;
mod copy;
mod geometry;
mod graph;
mod ladder;
mod times;

use crate::Limits;
use crate::probe::{Audio, Source};
use crate::profile::{AudioRecipe, Profile};

use args::Args;
use graph::Graph;
use times::Times;

pub use geometry::Size;
pub use ladder::Rung;

/// The MP4 every profile makes.
pub(crate) const MP4: &str = "video.mp4";
/// The poster.
pub(crate) const POSTER: &str = "poster.jpg";
/// The ladder's entry.
pub(crate) const MASTER: &str = "master.m3u8";
/// Our picture in the job's `assets` directory.
pub(crate) const WATERMARK: &str = "watermark.png";

/// How the picture gets into the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// As it is: the source already conforms.
    Copy,
    /// Decoded and encoded.
    Encode,
}

/// One run of ffmpeg: its arguments and what must be there afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The arguments, without the program.
    pub args: Vec<String>,
    /// Copy or encode.
    pub strategy: Strategy,
    /// What is checked afterwards.
    pub expected: Expected,
    /// The expected duration of the result in seconds, when the source tells.
    pub expected_duration: Option<f64>,
    /// Threads ffmpeg may use.
    pub threads: u32,
}

/// What a run must leave behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The MP4's picture.
    pub size: Size,
    /// The MP4 has sound.
    pub sound: bool,
    /// There is a poster.
    pub poster: bool,
    /// The ladder's rungs; empty without a ladder.
    pub rungs: Vec<Rung>,
    /// The picture track's least duration, when the source declares it.
    pub(crate) picture_s: Option<f64>,
    /// The whole result's least duration, when the picture track declares none.
    pub(crate) whole_s: Option<f64>,
    /// The same for a source that turned out to end early.
    pub(crate) whole_if_cut_s: Option<f64>,
    /// Seconds of cards in the result.
    pub(crate) cards_s: f64,
    /// Frames that are cards: a result of no more than these shows nothing.
    pub(crate) card_frames: u64,
    /// Reading stopped here; a result that reaches it was cut.
    pub(crate) cut_s: f64,
    /// The cut is what the profile wants.
    pub(crate) cut_is_wanted: bool,
    /// The source carries encryption data: the likely cause if nothing decodes.
    pub(crate) encrypted: bool,
    /// Our picture is among the inputs.
    pub(crate) watermark: bool,
}

/// The plan for one source under one profile. `threads` bounds decoder,
/// filters and encoder alike.
pub fn plan(source: &Source, profile: &Profile, threads: u32, limits: &Limits) -> Plan {
    make(source, profile, threads, limits, copy::picture(source, profile))
}

/// The plan that encodes even what could be copied: for a copy that failed.
pub fn plan_encode(source: &Source, profile: &Profile, threads: u32, limits: &Limits) -> Plan {
    make(source, profile, threads, limits, false)
}

fn make(source: &Source, profile: &Profile, threads: u32, limits: &Limits, copies: bool) -> Plan {
    let threads = threads.max(1);
    let times = Times::of(source, profile, limits);
    let mut args = Args::new(threads);
    args.input(threads, limits, times.cut_s);
    let job = Job { source, profile, threads, limits, times: &times };
    let (size, rungs) =
        if copies { (job.copy(&mut args), Vec::new()) } else { job.encode(&mut args) };
    let rate = geometry::capped(source.video.rate, profile.video.max_fps);
    Plan {
        args: args.0,
        strategy: if copies { Strategy::Copy } else { Strategy::Encode },
        expected: Expected {
            size,
            sound: job.sound().is_some(),
            poster: profile.poster.is_some(),
            rungs,
            picture_s: times.picture_s,
            whole_s: times.whole_s,
            whole_if_cut_s: times.whole_if_cut_s,
            cards_s: times.cards_s,
            card_frames: times.card_frames(rate),
            cut_s: times.cut_s,
            cut_is_wanted: times.cut_is_wanted,
            encrypted: source.encrypted,
            watermark: !copies && job.needs_watermark(),
        },
        expected_duration: times.expected_s,
        threads,
    }
}

/// Everything the arguments are made from.
struct Job<'a> {
    source: &'a Source,
    profile: &'a Profile,
    threads: u32,
    limits: &'a Limits,
    times: &'a Times,
}

impl Job<'_> {
    /// The sound that is used and how.
    fn sound(&self) -> Option<(&Audio, &AudioRecipe)> {
        self.source.audio.as_ref().zip(self.profile.audio.as_ref())
    }

    fn needs_watermark(&self) -> bool {
        self.profile.watermark.is_some() || self.times.cards_s > 0.0
    }

    /// Arguments that copy the picture. Returns its size.
    fn copy(&self, args: &mut Args) -> Size {
        let video = &self.source.video;
        let size = Size { width: video.width, height: video.height };
        if let Some(at) = self.times.poster_s {
            args.input_still(self.limits, at);
        }
        args.copy_picture(video);
        let copied = self.sound().map(|(audio, _)| audio).filter(|audio| copy::sound(audio));
        match (copied, self.sound()) {
            (Some(audio), _) => args.copy_sound(audio),
            (None, Some((audio, recipe))) => args.encode_sound(audio, recipe),
            (None, None) => {}
        }
        args.mp4();
        args.check_copied(video, copied);
        if self.times.poster_s.is_some() {
            args.poster_from_input(video, size);
        }
        size
    }

    /// Arguments that encode. Returns the MP4's size and the ladder.
    fn encode(&self, args: &mut Args) -> (Size, Vec<Rung>) {
        let (video, profile) = (&self.source.video, self.profile);
        let frame = Size { width: profile.frame.width, height: profile.frame.height };
        if self.needs_watermark() {
            args.input_watermark();
        }
        let rungs = profile.hls.as_ref().map_or(Vec::new(), |hls| ladder::rungs(video, hls));
        let mp4_rung = ladder::mp4_rung(&rungs, frame);
        let sizes = match (rungs.is_empty(), profile.frame.pad) {
            (false, _) => rungs.iter().map(|rung| rung.size).collect(),
            (true, true) => vec![geometry::fit_upright(video, frame.width, frame.height)],
            (true, false) => vec![geometry::fit(video, frame.width, frame.height)],
        };
        let graph = Graph {
            video,
            rate: geometry::capped(video.rate, profile.video.max_fps),
            sizes: &sizes,
            pad: profile.frame.pad.then_some(frame),
            watermark: profile.watermark.as_ref(),
            cards: profile.cards.as_ref(),
            poster_rung: mp4_rung,
            poster_s: self.times.poster_s.map(|at| at + self.times.opening_s),
        };
        args.graph(&graph.text());
        args.encode_pictures(&profile.video, sizes.len(), self.threads, self.limits);
        if let Some((audio, recipe)) = self.sound() {
            args.encode_sound(audio, recipe);
        }
        match &profile.hls {
            Some(hls) => args.ladder(&rungs, mp4_rung, hls, self.sound().is_some()),
            None => args.mp4(),
        }
        if self.times.poster_s.is_some() {
            args.poster_from_graph();
        }
        let fitted = sizes.get(mp4_rung).copied().unwrap_or(frame);
        (if profile.frame.pad { frame } else { fitted }, rungs)
    }
}

#[cfg(test)]
mod tests;
