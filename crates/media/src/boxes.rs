//! Walks the top-level boxes of an MP4 file.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use mp4_atom::{Atom, Error, FourCC, Header, ReadFrom, Result};

/// Most boxes looked at in one file.
const MOST_BOXES: usize = 100_000;

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

/// What a box's body holds.
pub(crate) fn decode<T: Atom>(body: &[u8]) -> Result<T> {
    T::decode_body(&mut &*body)
}
