//! How long a video lasts, as its own header claims, read as it streams by.
//!
//! Only estimates are made of it, so whatever it does not understand is simply not known. The
//! file's real duration is the worker's to find out, in its sandbox.

mod matroska;
mod mp4;

use std::time::Duration;

/// What is looked at before it is given up: a file of nothing but tiny parts costs time.
const MOST_PARTS: u32 = 10_000;

/// The longest header of a part, in either format.
const LONGEST_HEADER: usize = 16;

/// The longest part that is read whole: an `Info` with its titles.
const LONGEST_PART: u64 = 64 * 1024;

/// A claim of more is none: no source that long is transcoded (`max_duration` in crates/media).
const LONGEST: Duration = Duration::from_secs(4 * 3600);

/// A claim by which a second of video has fewer bytes is none. A picture that rests may have less;
/// its size says enough of it.
const LEAST_BYTES_A_SECOND: u64 = 500;

/// What the begin of a part says of it. A part is a box of MP4 or an element of Matroska.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    /// More bytes are needed to tell.
    Short,
    /// Parts of its own follow.
    Enter,
    /// Nothing of interest for so many bytes.
    Skip(u64),
    /// What is looked for is in the next so many bytes.
    Read(u64),
    /// There will be nothing.
    End,
}

/// A format that consists of parts.
#[derive(Debug, Clone, Copy)]
struct Format {
    head: fn(&[u8]) -> Head,
    read: fn(&[u8]) -> Option<Duration>,
}

/// Looks at a file as it comes, in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Length {
    format: Option<Format>,
    /// A header that is not whole yet, or the part that is being read.
    kept: Vec<u8>,
    reading: Option<u64>,
    skip: u64,
    parts: u32,
    over: bool,
    found: Option<Duration>,
}

impl Length {
    /// The next piece of the file.
    pub(super) fn look(&mut self, mut piece: &[u8]) {
        while !self.over && !piece.is_empty() {
            let used = if self.skip > 0 {
                let used = piece.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip -= used as u64;
                used
            } else if let Some(whole) = self.reading {
                self.read(whole, piece)
            } else {
                self.kept.push(piece[0]);
                self.step();
                1
            };
            piece = &piece[used..];
        }
    }

    /// What a file of so many bytes claims, if that can be.
    pub(super) fn claimed(&self, bytes: u64) -> Option<Duration> {
        let least = |claim: &Duration| bytes / LEAST_BYTES_A_SECOND >= claim.as_secs();
        self.found.filter(|claim| !claim.is_zero() && *claim <= LONGEST && least(claim))
    }

    fn read(&mut self, whole: u64, piece: &[u8]) -> usize {
        let missing = whole as usize - self.kept.len();
        let used = missing.min(piece.len());
        self.kept.extend_from_slice(&piece[..used]);
        if used == missing {
            self.found = self.format.and_then(|format| (format.read)(&self.kept));
            self.over = true;
            self.kept = Vec::new();
        }
        used
    }

    /// One more byte of a header is there.
    fn step(&mut self) {
        let Some(format) = self.format.or_else(|| format_of(&self.kept)) else {
            self.over = self.kept.len() >= LONGEST_HEADER;
            return;
        };
        self.format = Some(format);
        match (format.head)(&self.kept) {
            Head::Short if self.kept.len() < LONGEST_HEADER => return,
            Head::Enter => {}
            Head::Skip(bytes) => self.skip = bytes,
            Head::Read(bytes) if bytes > 0 && bytes <= LONGEST_PART => self.reading = Some(bytes),
            Head::Short | Head::Read(_) | Head::End => self.over = true,
        }
        self.kept.clear();
        self.parts += 1;
        self.over |= self.parts > MOST_PARTS;
    }
}

fn format_of(begin: &[u8]) -> Option<Format> {
    if begin.starts_with(&matroska::MAGIC) {
        return Some(Format { head: matroska::head, read: matroska::duration });
    }
    let kind = begin.get(4..8)?;
    mp4::FIRST.contains(&kind).then_some(Format { head: mp4::head, read: mp4::duration })
}

#[cfg(test)]
mod tests;
