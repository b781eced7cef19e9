//! Reads the boxes of our own MP4 files: header boxes only, never the media.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use mp4_atom::{Codec, FourCC, Header, Moof, Moov, ReadFrom, StszSamples, Trak};

use super::defect::Defect;
use crate::Size;

/// A movie box beyond this is not read. A million frames take about 20 MB.
const MOST_MOOV: u64 = 96 << 20;

/// Most boxes looked at in one file.
const MOST_BOXES: usize = 100_000;

/// What a file's movie box says.
#[derive(Debug, Default)]
pub(super) struct Movie {
    pub(super) picture: Option<Track>,
    pub(super) sound: Option<Track>,
    /// The movie box comes before the media.
    pub(super) starts_fast: bool,
}

/// One track.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) duration_s: f64,
    pub(super) samples: u64,
    /// Size, H.264 profile, chroma and depth of a picture track.
    picture: Option<Picture>,
}

#[derive(Debug)]
struct Picture {
    size: Size,
    profile: u8,
    /// Chroma format and bit depth beyond eight, where the profile states them.
    unusual: bool,
}

type Checked<T> = Result<T, Defect>;

impl Movie {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Checked<Movie> {
        let mut moov = None;
        let mut seen_media = false;
        let mut fast = false;
        boxes(path, |kind, body| {
            if kind == FourCC::new(b"moov") {
                fast = !seen_media;
                moov = Some(decode::<Moov>(body, MOST_MOOV)?);
            }
            seen_media |= kind == FourCC::new(b"mdat");
            Ok(())
        })?;
        let moov = moov.ok_or("no movie box")?;
        let mut movie = Movie { starts_fast: fast, ..Movie::default() };
        for trak in &moov.trak {
            let place = match &trak.mdia.hdlr.handler {
                kind if *kind == FourCC::new(b"vide") => &mut movie.picture,
                kind if *kind == FourCC::new(b"soun") => &mut movie.sound,
                other => return Err(format!("a track of kind {other}").into()),
            };
            if place.replace(Track::from(trak)).is_some() {
                return Err("two tracks of one kind".into());
            }
        }
        Ok(movie)
    }

    /// The longer track's duration in seconds.
    pub(super) fn duration_s(&self) -> f64 {
        [&self.picture, &self.sound]
            .into_iter()
            .flatten()
            .map(|track| track.duration_s)
            .fold(0.0, f64::max)
    }
}

impl Track {
    /// The picture must be 8-bit 4:2:0 H.264 of the planned size.
    pub(super) fn check(&self, size: Size) -> Checked<()> {
        let picture = self.picture.as_ref().ok_or("the picture is not H.264")?;
        if picture.size != size {
            let Size { width, height } = picture.size;
            return Err(format!(
                "the picture is {width}x{height}, not {}x{}",
                size.width, size.height
            )
            .into());
        }
        // Baseline, Main, High: the profiles that can only be 8-bit 4:2:0.
        if !matches!(picture.profile, 66 | 77 | 100) || picture.unusual {
            return Err(format!("H.264 profile {}", picture.profile).into());
        }
        Ok(())
    }
}

impl From<&Trak> for Track {
    fn from(trak: &Trak) -> Track {
        let stbl = &trak.mdia.minf.stbl;
        let ticks: u64 = stbl
            .stts
            .entries
            .iter()
            .map(|e| u64::from(e.sample_count) * u64::from(e.sample_delta))
            .sum();
        let picture = stbl.stsd.codecs.iter().find_map(|codec| match codec {
            Codec::Avc1(avc) => Some(Picture {
                size: Size {
                    width: u32::from(avc.visual.width),
                    height: u32::from(avc.visual.height),
                },
                profile: avc.avcc.avc_profile_indication,
                unusual: avc.avcc.ext.as_ref().is_some_and(|ext| {
                    ext.chroma_format != 1 || ext.bit_depth_luma != 8 || ext.bit_depth_chroma != 8
                }),
            }),
            _ => None,
        });
        Track {
            duration_s: ticks as f64 / f64::from(trak.mdia.mdhd.timescale.max(1)),
            samples: match &stbl.stsz.samples {
                StszSamples::Identical { count, .. } => u64::from(*count),
                StszSamples::Different { sizes } => sizes.len() as u64,
            },
            picture,
        }
    }
}

/// A segment must hold at least one fragment with samples, and media.
pub(super) fn check_segment(path: &Path) -> Checked<()> {
    let mut samples = 0_usize;
    let mut media = false;
    boxes(path, |kind, body| {
        if kind == FourCC::new(b"moof") {
            let moof = decode::<Moof>(body, MOST_MOOV)?;
            samples += moof
                .traf
                .iter()
                .flat_map(|traf| &traf.trun)
                .map(|trun| trun.samples.len())
                .sum::<usize>();
        }
        media |= kind == FourCC::new(b"mdat");
        Ok(())
    })?;
    if samples == 0 || !media {
        return Err("a segment without media".into());
    }
    Ok(())
}

/// Calls `each` with every top-level box: its kind and a reader of its body.
fn boxes(path: &Path, mut each: impl FnMut(FourCC, &mut dyn Read) -> Checked<()>) -> Checked<()> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    for _ in 0..MOST_BOXES {
        let Some(header) = Option::<Header>::read_from(&mut reader)? else {
            return Ok(());
        };
        let at = reader.stream_position()?;
        let size = header.size.map_or(length - at.min(length), |size| size as u64);
        if size > length.saturating_sub(at) {
            return Err("a box reaches beyond the end".into());
        }
        each(header.kind, &mut (&mut reader).take(size))?;
        reader.seek(SeekFrom::Start(at + size))?;
    }
    Err("too many boxes".into())
}

/// The body of one box, up to a bound.
fn decode<T: mp4_atom::Atom>(body: &mut dyn Read, most: u64) -> Checked<T> {
    let mut bytes = Vec::new();
    body.take(most).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == most {
        return Err("a box is too large".into());
    }
    let mut rest = bytes.as_slice();
    Ok(T::decode_body(&mut rest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_told_from_one_that_is_cut_off() {
        let temp = tempfile::tempdir().expect("temporary directory");
        let path = temp.path().join("a.mp4");
        assert!(matches!(Movie::read(&path), Err(Defect::Io(_))), "missing");
        // A directory opens like a file, and then fails to be read.
        assert!(matches!(Movie::read(temp.path()), Err(Defect::Io(_))), "unreadable");
        std::fs::write(&path, b"\0\0\0").expect("file");
        assert!(matches!(Movie::read(&path), Err(Defect::Content(_))), "cut in a header");
        std::fs::write(&path, b"\0\0\0\x10moov\0").expect("file");
        assert!(matches!(Movie::read(&path), Err(Defect::Content(_))), "cut in a box");
    }
}
