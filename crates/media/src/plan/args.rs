//! ffmpeg's words. Every one is ours or a number: nothing the uploader wrote
//! is ever among them.

use super::geometry::Size;
use super::graph::poster_pixels;
use super::ladder::Rung;
use super::{Expected, MASTER, MP4, POSTER, WATERMARK};
use crate::Limits;
use crate::probe::{Audio, CONTAINERS, Video};
use crate::profile::{AudioRecipe, Ladder, VideoRecipe};

/// A growing list of words.
pub(super) struct Args(pub(super) Vec<String>);

impl Args {
    /// Words that hold for the whole process.
    pub(super) fn new(threads: u32) -> Args {
        let mut args = Args(Vec::new());
        // Level prefixes are what the log parser sorts by; statistics are asked
        // for apart, so that no description of the input reaches the log.
        args.words("-nostdin -hide_banner -loglevel level+warning -stats -y");
        args.pair("-filter_threads", threads);
        args.pair("-filter_complex_threads", threads);
        args
    }

    fn words(&mut self, words: &str) {
        self.0.extend(words.split_whitespace().map(str::to_owned));
    }

    fn pair(&mut self, option: &str, value: impl ToString) {
        self.0.extend([option.to_owned(), value.to_string()]);
    }

    /// The job's input, read up to `most_s`.
    pub(super) fn input(&mut self, threads: u32, limits: &Limits, most_s: f64) {
        self.guard(threads, limits);
        self.pair("-t", most_s);
        self.words("-i file:in");
    }

    /// The job's input again, from the key frame before `at_s`: one picture.
    pub(super) fn input_still(&mut self, limits: &Limits, at_s: f64) {
        self.guard(1, limits);
        self.words("-noaccurate_seek -skip_frame nokey");
        self.pair("-ss", at_s);
        self.words("-i file:in");
    }

    fn guard(&mut self, threads: u32, limits: &Limits) {
        self.pair("-threads", threads);
        self.pair("-protocol_whitelist", "file");
        self.pair("-format_whitelist", CONTAINERS);
        self.pair("-max_pixels", limits.max_pixels);
    }

    /// Our own picture.
    pub(super) fn input_watermark(&mut self) {
        self.words("-protocol_whitelist file -f png_pipe");
        self.pair("-i", format!("file:assets/{WATERMARK}"));
    }

    pub(super) fn graph(&mut self, graph: &str) {
        self.pair("-filter_complex", graph);
    }

    /// No titles, names, chapters, subtitles or data from the input.
    fn clean(&mut self) {
        self.words("-map_metadata -1 -map_metadata:s -1 -map_chapters -1 -sn -dn");
    }

    pub(super) fn copy_picture(&mut self, video: &Video) {
        self.pair("-map", format!("0:{}", video.index));
        self.words("-c:v copy");
    }

    /// One x264 encode per size, mapped from the graph.
    pub(super) fn encode_pictures(
        &mut self,
        recipe: &VideoRecipe,
        sizes: usize,
        threads: u32,
        limits: &Limits,
    ) {
        for rung in 0..sizes {
            self.pair("-map", format!("[v{rung}]"));
        }
        self.words("-c:v libx264");
        self.pair("-preset", recipe.preset.word());
        self.pair("-crf", recipe.crf);
        self.pair("-threads:v", threads);
        self.pair("-frames:v", limits.max_frames);
    }

    /// Stereo AAC whose time line starts where the file does.
    pub(super) fn encode_sound(&mut self, audio: &Audio, recipe: &AudioRecipe) {
        self.pair("-map", format!("0:{}", audio.index));
        self.words("-c:a aac");
        self.pair("-b:a", format!("{}k", recipe.kbps));
        self.words("-ac 2 -ar 48000 -af aresample=async=1:first_pts=0");
    }

    pub(super) fn copy_sound(&mut self, audio: &Audio) {
        self.pair("-map", format!("0:{}", audio.index));
        self.words("-c:a copy");
    }

    /// Decodes what is copied, for its errors only: a copy passes damage on.
    pub(super) fn check_copied(&mut self, video: &Video, audio: Option<&Audio>) {
        self.pair("-map", format!("0:{}", video.index));
        if let Some(audio) = audio {
            self.pair("-map", format!("0:{}", audio.index));
        }
        self.words("-fps_mode passthrough -f null -");
    }

    pub(super) fn mp4(&mut self) {
        self.clean();
        self.words("-write_tmcd 0 -movflags +faststart -f mp4");
        self.0.push(format!("file:out/{MP4}"));
    }

    /// The ladder and the MP4 from the same encodes, through the tee muxer.
    pub(super) fn ladder(&mut self, rungs: &[Rung], mp4_rung: usize, ladder: &Ladder, sound: bool) {
        for (rung, Rung { max_kbps, .. }) in rungs.iter().enumerate() {
            self.pair(&format!("-maxrate:v:{rung}"), format!("{max_kbps}k"));
            self.pair(&format!("-bufsize:v:{rung}"), format!("{}k", max_kbps * 2));
        }
        // Players switch rungs at key frames, so they stand at the same times.
        self.pair("-force_key_frames:v", format!("expr:gte(t,n_forced*{})", ladder.segment_s));
        self.words("-flags +global_header");
        self.clean();
        self.words("-f tee");
        let group = if sound { ",agroup\\:audio" } else { "" };
        let mut streams: Vec<String> = rungs
            .iter()
            .enumerate()
            .map(|(rung, Rung { name, .. })| format!("v\\:{rung}{group},name\\:{name}"))
            .collect();
        if sound {
            streams.push("a\\:0,agroup\\:audio,name\\:audio".to_owned());
        }
        let select = if sound { format!("v:{mp4_rung},a:0") } else { format!("v:{mp4_rung}") };
        let mp4 =
            format!("[select=\\'{select}\\':f=mp4:write_tmcd=0:movflags=+faststart]file:out/{MP4}");
        // The muxer leaves `%v` in this one name when there is only one stream.
        let init = match rungs {
            [rung] if !sound => Expected::init(&rung.name),
            _ => Expected::init("%v"),
        };
        let hls = format!(
            "[f=hls:hls_time={}:hls_playlist_type=vod:hls_flags=independent_segments\
             :hls_segment_type=fmp4:hls_fmp4_init_filename={init}\
             :hls_segment_filename=out/hls_%v_%05d.m4s\
             :master_pl_name={MASTER}:var_stream_map=\\'{}\\']out/hls_%v.m3u8",
            ladder.segment_s,
            streams.join(" ")
        );
        self.0.push(format!("{mp4}|{hls}"));
    }

    /// The poster out of the graph.
    pub(super) fn poster_from_graph(&mut self) {
        self.words("-map [p] -fps_mode passthrough");
        self.poster();
    }

    /// The poster out of the second input.
    pub(super) fn poster_from_input(&mut self, video: &Video, size: Size) {
        self.pair("-map", format!("1:{}", video.index));
        self.pair("-vf", format!("scale={}:{},{}", size.width, size.height, poster_pixels()));
        // The key frame may lie before the wanted moment, at a negative time.
        self.words("-frames:v 1 -fps_mode passthrough");
        self.poster();
    }

    fn poster(&mut self) {
        self.clean();
        self.words("-c:v mjpeg -threads:v 1 -q:v 4 -f image2 -update 1");
        self.0.push(format!("file:out/{POSTER}"));
    }
}

impl Expected {
    /// The playlist of one rung or of the sound.
    pub(crate) fn playlist(name: &str) -> String {
        format!("hls_{name}.m3u8")
    }

    /// The init segment of one rung or of the sound.
    pub(crate) fn init(name: &str) -> String {
        format!("hls_{name}_init.mp4")
    }

    /// What the names of a playlist's segments start with.
    pub(crate) fn segment_prefix(name: &str) -> String {
        format!("hls_{name}_")
    }
}
