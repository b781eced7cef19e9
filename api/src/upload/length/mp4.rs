//! MP4 and `QuickTime` (ISO/IEC 14496-12, sections 4.2 and 8.2.2): `moov/mvhd` has a duration.

use std::time::Duration;

use super::Head;

/// Types of the boxes that a file may begin with.
pub(super) const FIRST: [&[u8]; 8] =
    [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"];

pub(super) fn head(begin: &[u8]) -> Head {
    let Some((size, kind)) = word(begin, 0).zip(begin.get(4..8)) else { return Head::Short };
    let (size, header) = match size {
        // To the end of the file.
        0 if kind == b"moov" => return Head::Enter,
        0 => return Head::End,
        1 => match long(begin, 8) {
            Some(size) => (size, 16),
            None => return Head::Short,
        },
        size => (u64::from(size), 8),
    };
    let Some(payload) = u64::checked_sub(size, header) else { return Head::End };
    match kind {
        b"moov" => Head::Enter,
        b"mvhd" => Head::Read(payload),
        _ => Head::Skip(payload),
    }
}

/// Of what is in an `mvhd`. All ones mean that it is not known; a fragmented file says 0.
pub(super) fn duration(mvhd: &[u8]) -> Option<Duration> {
    let (scale, ticks) = match mvhd.first()? {
        0 => (word(mvhd, 12)?, word(mvhd, 16).filter(|ticks| *ticks != u32::MAX)?.into()),
        1 => (word(mvhd, 20)?, long(mvhd, 24).filter(|ticks| *ticks != u64::MAX)?),
        _ => return None,
    };
    // By a scale of 0 it is no number, and so not known.
    Duration::try_from_secs_f64(ticks as f64 / f64::from(scale)).ok()
}

fn word(of: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(of.get(at..at + 4)?.try_into().ok()?))
}

fn long(of: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(of.get(at..at + 8)?.try_into().ok()?))
}
