//! Whether a track's sample tables fit each other and the file.
//!
//! Where they do not, ffprobe sees less of the track than its header promises.

use mp4_atom::StszSamples;

use super::track::Track;
use crate::boxes::Span;

/// Number of samples and their bytes; `None` when the tables disagree.
pub(super) fn samples(track: &Track) -> Option<(u64, u64)> {
    let sizes = Sizes(&track.stsz.samples);
    let timed: u64 = track.stts.entries.iter().map(|entry| u64::from(entry.sample_count)).sum();
    let count = sizes.count();
    (count > 0 && count == timed).then(|| (count, sizes.bytes(0, count)))
}

/// Where the track's chunks lie.
pub(super) fn spans(track: &Track) -> Option<Vec<Span>> {
    let sizes = Sizes(&track.stsz.samples);
    let mut runs = track.stsc.entries.iter().peekable();
    let (mut spans, mut sample) = (Vec::with_capacity(track.offsets.len()), 0);
    let mut each = None;
    for (chunk, offset) in (1..).zip(&track.offsets) {
        if let Some(run) = runs.next_if(|run| run.first_chunk == chunk) {
            each = (run.sample_description_index == 1).then_some(u64::from(run.samples_per_chunk));
        }
        let next = sample + each.filter(|each| *each > 0)?;
        (next <= sizes.count()).then_some(())?;
        spans.push((*offset, offset.checked_add(sizes.bytes(sample, next))?));
        sample = next;
    }
    (sample == sizes.count() && runs.next().is_none()).then_some(spans)
}

/// True when the spans lie in the media, each on its own.
pub(super) fn fit(mut spans: Vec<Span>, media: Span) -> bool {
    spans.sort_unstable();
    let apart = spans.windows(2).all(|pair| pair[0].1 <= pair[1].0);
    apart && spans.iter().all(|span| media.0 <= span.0 && span.1 <= media.1)
}

/// Where the first sample lies.
pub(super) fn first_sample(track: &Track) -> Option<Span> {
    let offset = *track.offsets.first()?;
    Some((offset, offset.checked_add(Sizes(&track.stsz.samples).bytes(0, 1))?))
}

struct Sizes<'a>(&'a StszSamples);

impl Sizes<'_> {
    fn count(&self) -> u64 {
        match self.0 {
            StszSamples::Identical { count, .. } => u64::from(*count),
            StszSamples::Different { sizes } => sizes.len() as u64,
        }
    }

    /// Bytes of the samples from one up to another, both at most [`count`](Self::count).
    fn bytes(&self, from: u64, to: u64) -> u64 {
        match self.0 {
            StszSamples::Identical { size, .. } => u64::from(*size) * (to - from),
            StszSamples::Different { sizes } => {
                let part = sizes.get(from as usize..to as usize).unwrap_or_default();
                part.iter().map(|size| u64::from(*size)).sum()
            }
        }
    }
}
