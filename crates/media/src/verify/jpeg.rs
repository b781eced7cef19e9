//! Is it a whole JPEG of the right size?

use std::fs;
use std::path::Path;

use super::defect::Defect;
use crate::Size;

/// A poster beyond this is not read.
const MOST_BYTES: u64 = 32 << 20;

/// Checks the JPEG at `path`: start, size, end.
pub(super) fn check(path: &Path, size: Size) -> Result<(), Defect> {
    let length = fs::metadata(path)?.len();
    if length > MOST_BYTES {
        return Err("the poster is too large".into());
    }
    let bytes = fs::read(path)?;
    if !bytes.ends_with(&[0xff, 0xd9]) {
        return Err("the poster is cut off".into());
    }
    match dimensions(&bytes) {
        Some(found) if found == size => Ok(()),
        Some(found) => Err(format!("the poster is {}x{}", found.width, found.height).into()),
        None => Err("the poster is not a JPEG".into()),
    }
}

/// Walks the segments up to the frame header.
fn dimensions(bytes: &[u8]) -> Option<Size> {
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let (marker, length) = match rest {
            [0xff, marker, high, low, ..] => {
                (*marker, usize::from(u16::from_be_bytes([*high, *low])))
            }
            _ => return None,
        };
        let segment = rest.get(2..2 + length)?;
        // SOF0 to SOF2: baseline, extended, progressive.
        if (0xc0..=0xc2).contains(&marker) {
            let side = |at: usize| {
                Some(u32::from(u16::from_be_bytes([*segment.get(at)?, *segment.get(at + 1)?])))
            };
            return Some(Size { height: side(3)?, width: side(5)? });
        }
        rest = rest.get(2 + length.max(2)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_read_from_the_frame_header_and_garbage_is_no_jpeg() {
        let jpeg = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xc0, 0, 8, 8, 0, 16, 0, 32, 3];
        assert_eq!(dimensions(&jpeg), Some(Size { width: 32, height: 16 }));
        for cut in 0..jpeg.len() - 1 {
            assert_eq!(dimensions(&jpeg[..cut]), None, "cut at {cut}");
        }
    }
}
