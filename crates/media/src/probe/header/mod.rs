//! Reads the header of a plain MP4 itself, so that ffprobe need not be started.
//!
//! Starting ffprobe (two hundred shared libraries) costs as much processor time
//! as a tenth of a second of encoding. Most short clips are what an editor or a
//! screen recorder wrote: one H.264 picture of constant rate, perhaps AAC
//! sound, nothing turned, cut or encrypted. Their header says all that the gate
//! asks for. Anything else, and any doubt, is left to ffprobe; only it refuses.
//!
//! Memory-safe parsers read at most [`MOST_MOOV`] bytes here; no media is decoded.

mod picture;
mod sound;
mod tables;

use std::path::Path;

use mp4_atom::{Error, FourCC, Matrix, Moov, Trak};
use serde_json::{Value, json};

use super::raw::RawProbe;
use crate::boxes::{Span, body, boxes, decode, filled};

/// A movie box beyond this is not read: starting ffprobe is nothing next to such a video.
const MOST_MOOV: u64 = 4 << 20;

/// What every player shows as it is stored.
const UPRIGHT: Matrix =
    Matrix { a: 1 << 16, b: 0, u: 0, c: 0, d: 1 << 16, v: 0, x: 0, y: 0, w: 1 << 30 };

/// What ffprobe would answer, or `None` when it has to be asked.
pub(super) fn read(input: &Path) -> Option<RawProbe> {
    let (moov, media) = plain(input).ok().flatten()?;
    let spans: Option<Vec<_>> = moov.trak.iter().map(tables::spans).collect();
    tables::fit(spans?.concat(), &media).then_some(())?;
    let bytes = std::fs::metadata(input).ok()?.len();
    serde_json::from_value(answer(&moov, bytes)?).ok()
}

/// The movie box and the media's places of a whole file of the plainest boxes.
fn plain(input: &Path) -> mp4_atom::Result<Option<(Moov, Vec<Span>)>> {
    let (mut moov, mut media, mut first) = (None, Vec::new(), true);
    boxes(input, |kind, span, reader| {
        match kind.as_ref() {
            b"ftyp" if first => {}
            b"moov" if !first && moov.is_none() => {
                let body = body(reader, MOST_MOOV)?;
                // A cover picture is a track to ffmpeg.
                if !filled(&body) || body.windows(4).any(|word| word == b"covr") {
                    return Err(Error::UnexpectedBox(kind));
                }
                moov = Some(decode::<Moov>(&body)?);
            }
            b"mdat" if !first => media.push(span),
            b"free" | b"skip" | b"wide" if !first => {}
            _ => return Err(Error::UnexpectedBox(kind)),
        }
        first = false;
        Ok(())
    })?;
    Ok(moov.map(|moov| (moov, media)))
}

fn answer(moov: &Moov, bytes: u64) -> Option<Value> {
    let header = &moov.mvhd;
    let plain = moov.mvex.is_none() && header.matrix == UPRIGHT && header.timescale > 0;
    let seconds = (plain && header.duration > 0)
        .then(|| header.duration as f64 / f64::from(header.timescale))?;
    let (mut streams, mut pictures, mut sounds) = (Vec::new(), 0, 0);
    for (index, trak) in moov.trak.iter().enumerate() {
        let mut stream = if trak.mdia.hdlr.handler == FourCC::new(b"vide") {
            pictures += 1;
            picture::stream(trak, header.timescale)?
        } else if trak.mdia.hdlr.handler == FourCC::new(b"soun") {
            sounds += 1;
            sound::stream(trak, header.timescale)?
        } else {
            return None;
        };
        stream["index"] = index.into();
        stream["start_time"] = "0.000000".into();
        stream["disposition"] = json!({"default": u8::from(trak.tkhd.enabled)});
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

/// How many ticks of the track are shown: all that follows the one edit's beginning.
/// `None` for any other edit, and for a track that belongs to another or is turned.
fn shown(trak: &Trak, movie_scale: u32, length: impl Fn(u64) -> Option<u64>) -> Option<u64> {
    let plain = trak.tref.is_none() && trak.senc.is_none() && trak.tkhd.matrix == UPRIGHT;
    (plain && trak.mdia.mdhd.timescale > 0).then_some(())?;
    let length = |begin| length(begin).filter(|ticks| *ticks > 0);
    let list = trak.edts.as_ref().and_then(|edts| edts.elst.as_ref());
    let edit = match list.map(|list| list.entries.as_slice()) {
        None | Some([]) => return length(0),
        Some([edit]) => edit,
        Some(_) => return None,
    };
    let normal_speed = (edit.media_rate.integer(), edit.media_rate.decimal()) == (1, 0);
    let length = length(edit.media_time?)?;
    // The edit states the same in the movie's coarser ticks, to the nearest one.
    let (edit, scale) = (u128::from(edit.segment_duration), u128::from(movie_scale));
    let wide = edit * u128::from(trak.mdia.mdhd.timescale);
    let edited = u64::try_from((wide + scale / 2) / scale).ok()?;
    let coarse = u128::from(edited.abs_diff(length)) * scale <= trak.mdia.mdhd.timescale.into();
    (normal_speed && coarse).then_some(edited.min(length)).filter(|ticks| *ticks > 0)
}

/// Duration of all samples, in ticks.
fn ticks(trak: &Trak) -> u64 {
    let entries = &trak.mdia.minf.stbl.stts.entries;
    entries.iter().map(|e| u64::from(e.sample_count) * u64::from(e.sample_delta)).sum()
}
