//! What is known about a video that passed the gate.

/// The cleaned facts a plan is made from: no sentinel, no zero, no nonsense.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// ffmpeg's name of the container, e.g. `matroska,webm`.
    pub container: String,
    /// From the first to the last moment of the chosen tracks, in seconds;
    /// `None` when the file does not say or says an impossible thing.
    pub duration_s: Option<f64>,
    /// The one picture track that is used.
    pub video: Video,
    /// The one sound track that is used.
    pub audio: Option<Audio>,
    /// Bits per second of the whole file, when known.
    pub bit_rate: Option<u64>,
    /// Some track carries encryption data. The picture may still be clear.
    pub encrypted: bool,
    /// The file holds no other track than the chosen ones.
    pub all_used: bool,
}

/// The picture track.
#[derive(Debug, Clone, PartialEq)]
pub struct Video {
    /// Its number in the file.
    pub index: u32,
    /// ffmpeg's codec name.
    pub codec: String,
    /// ffmpeg's profile name; empty when unknown.
    pub profile: String,
    /// Codec level, e.g. 41 for H.264 level 4.1.
    pub level: Option<u32>,
    /// Stored width in pixels, before turning.
    pub width: u32,
    /// Stored height in pixels, before turning.
    pub height: u32,
    /// Width of one pixel over its height.
    pub pixel_aspect: (u32, u32),
    /// Shown turned by a quarter: width and height swap.
    pub quarter_turn: bool,
    /// Carries a display matrix of any kind.
    pub has_matrix: bool,
    /// ffmpeg's pixel format; empty when unknown.
    pub pix_fmt: String,
    /// The frame rate the output gets before a profile's cap.
    pub rate: Rate,
    /// All frames have the same duration, as far as the header says.
    pub constant_rate: bool,
    /// High dynamic range, to be tone-mapped.
    pub hdr: Option<Hdr>,
    /// Full-range (0–255) luma.
    pub full_range: bool,
    /// ITU-R BT.709 matrix although the transfer is HDR.
    pub matrix_709: bool,
    /// Stored as fields.
    pub interlaced: bool,
    /// First timestamp relative to the file's start, in seconds.
    pub start_s: f64,
    /// Declared duration of this track, in seconds.
    pub duration_s: Option<f64>,
    /// Where this track ends at least, in seconds from the file's start, as a
    /// tag beside it notes. Only Matroska has such tags, and no declared one.
    pub noted_end_s: Option<f64>,
    /// Bits per second of this track, when declared.
    pub bit_rate: Option<u64>,
}

/// The sound track.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// Its number in the file.
    pub index: u32,
    /// ffmpeg's codec name.
    pub codec: String,
    /// ffmpeg's profile name; empty when unknown.
    pub profile: String,
    /// Channels.
    pub channels: u32,
    /// Samples per second.
    pub sample_rate: u32,
    /// First timestamp relative to the file's start, in seconds.
    pub start_s: f64,
    /// As [`Video::noted_end_s`].
    pub noted_end_s: Option<f64>,
}

/// The kind of high dynamic range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hdr {
    /// SMPTE ST 2084, as in HDR10.
    Pq,
    /// ARIB STD-B67, hybrid log-gamma.
    Hlg,
}

/// Frames per second as a fraction of two positive numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Numerator.
    pub num: u32,
    /// Denominator.
    pub den: u32,
}

impl Rate {
    /// A whole number of frames per second, at least one.
    pub const fn whole(fps: u32) -> Rate {
        Rate { num: if fps == 0 { 1 } else { fps }, den: 1 }
    }

    /// As a number.
    pub fn fps(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}
