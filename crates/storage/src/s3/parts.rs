//! How a blob is cut into parts, and their checksums.
//!
//! The cut depends on the position alone, so whoever reads a blob knows where its parts end
//! and can tell their checksum, which is all that S3 keeps of a blob of several parts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// Bytes of the first parts. A blob that is not larger is stored by one call.
pub(super) const SMALLEST: usize = 8 * 1024 * 1024;

/// S3 takes so many parts.
const MOST: usize = 10_000;

/// So many parts have the same size; then it doubles. All parts together hold 484 GiB, and
/// what fits into the first of them needs no more memory than it must.
const OF_ONE_SIZE: usize = 2_000;

/// Bytes of the part at an index from 0. None if S3 takes no more parts.
pub(super) fn part_size(index: usize) -> Option<usize> {
    (index < MOST).then(|| SMALLEST << (index / OF_ONE_SIZE))
}

/// A checksum as headers carry it.
pub(super) fn encode(sum: Sha256) -> String {
    STANDARD.encode(sum.finalize())
}

/// The checksums of a blob's parts while its bytes go by.
pub(super) struct Sums {
    current: Sha256,
    /// Bytes of the current part.
    filled: usize,
    /// Checksums of the parts before it, one after the other.
    sums: Vec<u8>,
    parts: usize,
}

impl Sums {
    pub(super) fn new() -> Self {
        Self { current: Sha256::new(), filled: 0, sums: Vec::new(), parts: 0 }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let full = part_size(self.parts).unwrap_or(usize::MAX);
            if self.filled == full {
                self.close();
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(full - self.filled));
            self.current.update(now);
            self.filled += now.len();
            bytes = later;
        }
    }

    fn close(&mut self) {
        self.sums.extend(std::mem::take(&mut self.current).finalize());
        self.parts += 1;
        self.filled = 0;
    }

    /// Whether the bytes are those that S3 was given. True also if S3 knows no checksum that
    /// could be compared: who stored the blob cut it otherwise.
    pub(super) fn agree_with(mut self, told: &str) -> bool {
        self.close();
        match told.split_once('-') {
            None if self.parts == 1 => STANDARD.encode(&self.sums) == told,
            Some((sum, parts)) if parts == self.parts.to_string() => {
                encode(Sha256::new_with_prefix(&self.sums)) == sum
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_a_large_blob_and_never_too_many() {
        let all: usize = (0..).map_while(part_size).sum();
        assert_eq!(all >> 30, 484);
        for (index, size) in
            [(0, Some(SMALLEST)), (1_999, Some(SMALLEST)), (2_000, Some(2 * SMALLEST))]
        {
            assert_eq!(part_size(index), size, "{index}");
        }
        assert_eq!(part_size(9_999), Some(16 * SMALLEST));
        assert_eq!(part_size(10_000), None);
    }

    #[test]
    fn the_checksum_of_several_parts_is_that_of_their_checksums() {
        let blob: Vec<u8> = (0..SMALLEST + 5).map(|n| (n % 251) as u8).collect();
        let (first, last) = blob.split_at(SMALLEST);
        let of = |bytes: &[u8]| Sha256::new_with_prefix(bytes);
        let both = [of(first).finalize(), of(last).finalize()].concat();
        let told = format!("{}-2", encode(of(&both)));
        let sums = |bytes: &[u8]| {
            let mut sums = Sums::new();
            bytes.chunks(99_991).for_each(|chunk| sums.update(chunk));
            sums
        };
        assert!(sums(&blob).agree_with(&told));
        assert!(sums(first).agree_with(&encode(of(first))));
        assert!(sums(b"").agree_with(&encode(of(b""))));
        let mut damaged = blob.clone();
        damaged[SMALLEST + 1] ^= 1;
        assert!(!sums(&damaged).agree_with(&told));
        assert!(!sums(&damaged[..SMALLEST - 1]).agree_with(&encode(of(first))));
        // Of another cut nothing can be told.
        assert!(sums(&damaged).agree_with("AAAA-3"));
    }
}
