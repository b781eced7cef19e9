//! Reads the header of a plain MP4 itself, so that ffprobe need not be started.
//!
//! Starting ffprobe (two hundred shared libraries) costs as much processor time
//! as a tenth of a second of encoding. Most short clips are what an editor or a
//! screen recorder wrote: one H.264 picture of constant rate, perhaps AAC
//! sound, nothing turned, cut or encrypted. Their header says all that the gate
//! asks for. Anything else, and any doubt, is left to ffprobe; only it refuses.
//!
//! Memory-safe parsers read at most [`MOST_MOOV`] bytes here and the first
//! sample's unit headers, in time that grows with them alone; no media is decoded.

mod picture;
mod sound;
mod tables;
mod track;
mod tree;

use std::path::Path;

use mp4_atom::{Error, FourCC};
use serde_json::{Value, json};

use self::track::Movie;
use super::raw::RawProbe;
use crate::boxes::{Span, body, boxes};

/// A movie box beyond this is not read: starting ffprobe is nothing next to such a video.
const MOST_MOOV: u64 = 4 << 20;

/// More boxes in a file are not plain.
const MOST_BOXES: usize = 16;

/// What ffprobe would answer, or `None` when it has to be asked.
pub(super) fn read(input: &Path) -> Option<RawProbe> {
    let (moov, media) = plain(input).ok()??;
    let movie = Movie::of(&moov)?;
    let spans: Option<Vec<_>> = movie.tracks.iter().map(tables::spans).collect();
    tables::fit(spans?.concat(), media).then_some(())?;
    serde_json::from_value(answer(&movie, input)?).ok()
}

/// The movie box and the media's place in a whole file of the plainest boxes.
fn plain(input: &Path) -> mp4_atom::Result<Option<(Vec<u8>, Span)>> {
    let (mut moov, mut media, mut seen) = (None, None, 0);
    boxes(input, |kind, span, reader| {
        seen += 1;
        match kind.as_ref() {
            b"ftyp" if seen == 1 => {}
            b"moov" if seen > 1 && moov.is_none() => {
                let body = body(reader, MOST_MOOV)?;
                // A cover picture is a track to ffmpeg.
                if body.windows(4).any(|word| word == b"covr") {
                    return Err(Error::UnexpectedBox(kind));
                }
                moov = Some(body);
            }
            b"mdat" if seen > 1 && media.is_none() => media = Some(span),
            b"free" | b"skip" | b"wide" if (2..=MOST_BOXES).contains(&seen) => {}
            _ => return Err(Error::UnexpectedBox(kind)),
        }
        Ok(())
    })?;
    Ok(moov.zip(media))
}

fn answer(movie: &Movie, input: &Path) -> Option<Value> {
    let bytes = std::fs::metadata(input).ok()?.len();
    let seconds = movie.duration as f64 / f64::from(movie.scale);
    let (mut streams, mut pictures, mut sounds) = (Vec::new(), 0, 0);
    for (index, track) in movie.tracks.iter().enumerate() {
        let mut stream = if track.handler == FourCC::new(b"vide") {
            pictures += 1;
            picture::stream(track, movie.scale, input)?
        } else if track.handler == FourCC::new(b"soun") {
            sounds += 1;
            sound::stream(track, movie.scale)?
        } else {
            return None;
        };
        stream["index"] = index.into();
        stream["start_time"] = "0.000000".into();
        stream["disposition"] = json!({"default": u8::from(track.tkhd.enabled)});
        streams.push(stream);
    }
    (pictures == 1 && sounds <= 1).then_some(())?;
    Some(json!({
        "streams": streams,
        "format": {
            "format_name": "mov,mp4,m4a,3gp,3g2,mj2",
            "nb_streams": streams.len(),
            "start_time": "0.000000",
            "duration": format!("{seconds:.6}"),
            "bit_rate": ((bytes * 8) as f64 / seconds) as u64,
        },
    }))
}
