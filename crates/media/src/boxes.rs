//! Walks the top-level boxes of an MP4 file.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use mp4_atom::{Atom, Error, FourCC, Header, ReadFrom, Result};

/// Most boxes looked at in one file.
const MOST_BOXES: usize = 100_000;

/// Kinds that hold nothing but boxes, and matter to us.
const NESTED: [&[u8; 4]; 5] = [b"trak", b"edts", b"mdia", b"minf", b"stbl"];

/// A movie box needs four levels; a hostile one must not use up the stack.
const DEPTH: usize = 8;

/// A part of a file: offset of its first byte and of the first byte behind it.
pub(crate) type Span = (u64, u64);

/// Calls `each` with every top-level box: its kind, where its body lies, and a reader of it.
pub(crate) fn boxes(
    path: &Path,
    mut each: impl FnMut(FourCC, Span, &mut dyn Read) -> Result<()>,
) -> Result<()> {
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
            return Err(Error::Unsupported("a box that reaches beyond the end"));
        }
        each(header.kind, (at, at + size), &mut (&mut reader).take(size))?;
        reader.seek(SeekFrom::Start(at + size))?;
    }
    Err(Error::Unsupported("so many boxes"))
}

/// The body of one box, up to a bound.
pub(crate) fn body(reader: &mut dyn Read, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(most).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == most { Err(Error::Unsupported("so large a box")) } else { Ok(bytes) }
}

/// True when the boxes in a body fill it, and so do those in them. The decoder
/// takes what does not fit at a body's end for padding, and would pass over it.
pub(crate) fn filled(body: &[u8]) -> bool {
    filled_to(body, DEPTH)
}

fn filled_to(mut body: &[u8], depth: usize) -> bool {
    while let Some((size, rest)) = body.split_first_chunk::<4>() {
        let Some((kind, _)) = rest.split_first_chunk::<4>() else { return false };
        let size = u32::from_be_bytes(*size) as usize;
        let Some(inner) = body.get(8..size) else { return false };
        if NESTED.contains(&kind) && (depth == 0 || !filled_to(inner, depth - 1)) {
            return false;
        }
        body = &body[size..];
    }
    body.is_empty()
}

/// What a box's body holds.
pub(crate) fn decode<T: Atom>(body: &[u8]) -> Result<T> {
    T::decode_body(&mut &*body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], inner: &[u8]) -> Vec<u8> {
        let size = u32::try_from(inner.len() + 8).expect("a small box");
        [&size.to_be_bytes()[..], kind, inner].concat()
    }

    #[test]
    fn a_body_is_filled_only_when_every_box_in_it_ends_where_the_next_begins() {
        let edits = boxed(b"edts", &boxed(b"elst", b"12345678"));
        let track = boxed(b"trak", &[edits.clone(), boxed(b"mdia", b"")].concat());
        assert!(filled(b"") && filled(&track) && filled(&track.repeat(3)));
        for end in 1..track.len() {
            assert!(!filled(&track[..end]), "cut at {end}");
        }
        assert!(!filled(&boxed(b"trak", b"1234")), "padding in a track");
        assert!(filled(&boxed(b"udta", b"1234")), "what is not ours is not looked into");
    }

    #[test]
    fn boxes_nested_without_end_are_refused_and_not_followed() {
        let deep = (0..20).fold(Vec::new(), |inner, _| boxed(b"trak", &inner));
        assert!(!filled(&deep));
    }
}
