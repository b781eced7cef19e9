//! Matroska and `WebM` (RFC 8794 for the elements, RFC 9559 section 5.1.2 for `Info`):
//! `Segment/Info` has `Duration`, in units of `TimestampScale` nanoseconds.

use std::time::Duration;

use super::Head;

/// The id of the first element of every file.
pub(super) const MAGIC: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];

const SEGMENT: u64 = 0x1853_8067;
const INFO: u64 = 0x1549_a966;
/// The pictures begin here; no file has its `Info` behind them but by accident.
const CLUSTER: u64 = 0x1f43_b675;
const TIMESTAMP_SCALE: u64 = 0x2a_d7b1;
const DURATION: u64 = 0x4489;

/// Nanoseconds, where a file does not say.
const USUAL_SCALE: u64 = 1_000_000;

pub(super) fn head(begin: &[u8]) -> Head {
    match element(begin) {
        Found::Short => Head::Short,
        Found::Bad => Head::End,
        Found::Element { id: SEGMENT, .. } => Head::Enter,
        Found::Element { id: INFO, size: Some(size), .. } => Head::Read(size),
        Found::Element { id: CLUSTER, .. } | Found::Element { size: None, .. } => Head::End,
        Found::Element { size: Some(size), .. } => Head::Skip(size),
    }
}

/// Of what is in an `Info`.
pub(super) fn duration(mut info: &[u8]) -> Option<Duration> {
    let (mut scale, mut units) = (USUAL_SCALE, None);
    while let Found::Element { id, size: Some(size), header } = element(info) {
        let end = header.checked_add(usize::try_from(size).ok()?)?;
        let payload = info.get(header..end)?;
        match id {
            TIMESTAMP_SCALE => scale = number(payload)?,
            DURATION => units = Some(float(payload)?),
            _ => {}
        }
        info = &info[end..];
    }
    Duration::try_from_secs_f64(units? * scale as f64 / 1e9).ok()
}

enum Found {
    Short,
    Bad,
    Element {
        id: u64,
        /// None: unknown, it ends where its parent does.
        size: Option<u64>,
        header: usize,
    },
}

/// An id keeps the bit that tells its length, a size does not.
fn element(begin: &[u8]) -> Found {
    let Some(long) = begin.first().map(|first| first.leading_zeros() as usize + 1) else {
        return Found::Short;
    };
    if long > 4 {
        return Found::Bad;
    }
    let Some((id, rest)) = begin.split_at_checked(long) else { return Found::Short };
    let Some(size_long) = rest.first().map(|first| first.leading_zeros() as usize + 1) else {
        return Found::Short;
    };
    if size_long > 8 {
        return Found::Bad;
    }
    let Some((id, size)) = number(id).zip(rest.get(..size_long).and_then(number)) else {
        return Found::Short;
    };
    let most = (1 << (7 * size_long)) - 1;
    let size = size & most;
    Found::Element { id, size: (size != most).then_some(size), header: long + size_long }
}

fn number(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn float(bytes: &[u8]) -> Option<f64> {
    match bytes.len() {
        4 => Some(f32::from_be_bytes(bytes.try_into().ok()?).into()),
        8 => Some(f64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}
