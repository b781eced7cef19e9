//! What one video may cost. Every number has a unit and a reason.

use std::time::Duration;

/// The limits of one attempt.
///
/// The defaults accept what phones, cameras and screen recorders make and
/// refuse what only an attacker makes; where a figure comes from a measurement
/// of an attack, the field says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Longest source. 4 h: a long lecture. (2,189 bytes of MP4 can claim 25 h.)
    pub max_duration: Duration,
    /// Most output frames per rendition: duration × output frame rate.
    /// 1,000,000: 4 h at 60 fps is 864,000.
    pub max_frames: u64,
    /// Most pixels in one source frame. 36 million: 8K (7680×4320) is 33.2.
    /// (8192×8192 in 199 KB took 340 MB to decode.)
    pub max_pixels: u64,
    /// Longest side of a source frame in pixels.
    pub max_side: u32,
    /// Most streams in a source. Cameras write up to seven.
    pub max_streams: usize,
    /// Highest source frame rate in frames per second. Slow motion is 240.
    pub max_fps: f64,
    /// Wall time allowed per second of source, on top of [`wall_base`](Self::wall_base).
    pub wall_factor: f64,
    /// Wall time every video gets.
    pub wall_base: Duration,
    /// Wall time no video exceeds.
    pub wall_max: Duration,
    /// Longest time ffmpeg may run without a new frame or a later timestamp.
    pub stall: Duration,
    /// Address space of one ffmpeg in bytes (`RLIMIT_AS`).
    pub memory: u64,
    /// Largest file one ffmpeg may write in bytes (`RLIMIT_FSIZE`).
    pub file_size: u64,
    /// Processor time of one ffprobe, in whole seconds. Below
    /// [`probe_wall`](Self::probe_wall): a source that makes it spin is
    /// refused, and only a busy machine comes to the wall time.
    pub probe_cpu: Duration,
    /// Wall time of one ffprobe.
    pub probe_wall: Duration,
    /// Most bytes read from ffprobe's standard output.
    pub probe_stdout: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_duration: Duration::from_secs(4 * 3600),
            max_frames: 1_000_000,
            max_pixels: 36_000_000,
            max_side: 8192,
            max_streams: 32,
            max_fps: 480.0,
            wall_factor: 30.0,
            wall_base: Duration::from_secs(120),
            wall_max: Duration::from_secs(12 * 3600),
            stall: Duration::from_secs(120),
            memory: 6 << 30,
            file_size: 16 << 30,
            probe_cpu: Duration::from_secs(10),
            probe_wall: Duration::from_secs(30),
            probe_stdout: 1 << 20,
        }
    }
}

impl Limits {
    /// The wall time for a source of this duration.
    ///
    /// An unknown duration gets what the longest allowed one would get: it is
    /// still bounded by [`wall_max`](Self::wall_max) and by the stall limit.
    pub fn wall(&self, duration_s: Option<f64>) -> Duration {
        let source = duration_s.unwrap_or(self.max_duration.as_secs_f64());
        let source = source.clamp(0.0, self.max_duration.as_secs_f64());
        let scaled =
            Duration::try_from_secs_f64(source * self.wall_factor).unwrap_or(self.wall_max);
        self.wall_base.saturating_add(scaled).min(self.wall_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_grows_with_the_duration_up_to_a_maximum() {
        let limits = Limits::default();
        assert_eq!(limits.wall(Some(0.0)), Duration::from_secs(120));
        assert_eq!(limits.wall(Some(10.0)), Duration::from_secs(420));
        assert_eq!(limits.wall(Some(f64::NAN)), Duration::from_secs(12 * 3600));
        assert_eq!(limits.wall(None), Duration::from_secs(12 * 3600));
    }

    #[test]
    fn a_spinning_probe_uses_up_its_processor_time_well_before_its_wall_time() {
        let limits = Limits::default();
        assert!(limits.probe_cpu * 2 <= limits.probe_wall);
    }
}
