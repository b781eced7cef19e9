//! One track of a movie box, as its leaves say.

use mp4_atom::{Co64, Ctts, Elst, FourCC, Hdlr, Matrix, Mdhd, Mvhd, Stco, Stsc, Stsz, Stts, Tkhd};

use super::tree::Tree;

/// What every player shows as it is stored.
const UPRIGHT: Matrix =
    Matrix { a: 1 << 16, b: 0, u: 0, c: 0, d: 1 << 16, v: 0, x: 0, y: 0, w: 1 << 30 };

/// A movie box of one or more tracks, none of them turned.
pub(super) struct Movie<'a> {
    pub(super) scale: u32,
    pub(super) duration: u64,
    pub(super) tracks: Vec<Track<'a>>,
}

/// The leaves that matter.
pub(super) struct Track<'a> {
    pub(super) handler: FourCC,
    pub(super) tkhd: Tkhd,
    pub(super) scale: u32,
    edits: Option<Elst>,
    /// Duration of all samples.
    pub(super) ticks: u64,
    pub(super) stts: Stts,
    pub(super) ctts: Option<Ctts>,
    pub(super) stsc: Stsc,
    pub(super) stsz: Stsz,
    /// Where the chunks begin.
    pub(super) offsets: Vec<u64>,
    /// Kind and body of the only sample description.
    pub(super) entry: ([u8; 4], &'a [u8]),
}

impl<'a> Movie<'a> {
    pub(super) fn of(moov: &'a [u8]) -> Option<Movie<'a>> {
        let tree = Tree::of(moov, &[b"mvhd", b"trak", b"udta", b"iods", b"free"])?;
        let mvhd: Mvhd = tree.leaf()?;
        let tracks = tree.all(b"trak").map(Track::of).collect::<Option<Vec<_>>>()?;
        let plain = mvhd.matrix == UPRIGHT && mvhd.timescale > 0 && mvhd.duration > 0;
        plain.then_some(Movie { scale: mvhd.timescale, duration: mvhd.duration, tracks })
    }
}

impl<'a> Track<'a> {
    fn of(trak: &'a [u8]) -> Option<Track<'a>> {
        let tree = Tree::of(trak, &[b"tkhd", b"edts", b"mdia", b"udta"])?;
        let tkhd: Tkhd = tree.leaf()?;
        let edits = match tree.all(b"edts").next() {
            None => None,
            Some(_) => Some(Tree::of(tree.body(b"edts")?, &[b"elst"])?.leaf()?),
        };
        let media = Tree::of(tree.body(b"mdia")?, &[b"mdhd", b"hdlr", b"minf"])?;
        let mdhd: Mdhd = media.leaf()?;
        let handler = media.leaf::<Hdlr>()?.handler;
        let info = Tree::of(media.body(b"minf")?, &[b"vmhd", b"smhd", b"hdlr", b"dinf", b"stbl"])?;
        let table = Tree::of(
            info.body(b"stbl")?,
            &[
                b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stco", b"co64", b"stss", b"sgpd",
                b"sbgp", b"sdtp",
            ],
        )?;
        let offsets = match (table.leaf_if_any::<Stco>()?, table.leaf_if_any::<Co64>()?) {
            (Some(narrow), None) => narrow.entries.into_iter().map(u64::from).collect(),
            (None, Some(wide)) => wide.entries,
            _ => return None,
        };
        // Version, flags and the number of entries come first.
        let (head, entries) = table.body(b"stsd")?.split_first_chunk::<8>()?;
        (*head == [0, 0, 0, 0, 0, 0, 0, 1]).then_some(())?;
        let stts: Stts = table.leaf()?;
        let track = Track {
            handler,
            tkhd,
            scale: mdhd.timescale,
            edits,
            ticks: ticks(&stts)?,
            stts,
            ctts: table.leaf_if_any()?,
            stsc: table.leaf()?,
            stsz: table.leaf()?,
            offsets,
            entry: Tree::of(entries, &[b"avc1", b"mp4a"])?.only()?,
        };
        let plain = track.tkhd.matrix == UPRIGHT && track.scale > 0;
        (plain && mdhd.duration == track.ticks()).then_some(track)
    }

    /// Duration of all samples, in ticks.
    pub(super) fn ticks(&self) -> u64 {
        self.stts
            .entries
            .iter()
            .map(|e| u64::from(e.sample_count) * u64::from(e.sample_delta))
            .sum()
    }

    /// How many ticks of the track are shown: all that follows the one edit's beginning,
    /// of which `length` says how long it is. `None` for any other edit.
    pub(super) fn shown(
        &self,
        movie_scale: u32,
        length: impl Fn(u64) -> Option<u64>,
    ) -> Option<u64> {
        let length = |begin| length(begin).filter(|ticks| *ticks > 0);
        let edit = match self.edits.as_ref().map(|list| list.entries.as_slice()) {
            None | Some([]) => return length(0),
            Some([edit]) => edit,
            Some(_) => return None,
        };
        let normal_speed = (edit.media_rate.integer(), edit.media_rate.decimal()) == (1, 0);
        let length = length(edit.media_time?)?;
        // The edit states the same in the movie's coarser ticks, to the nearest one.
        let (edit, scale) = (u128::from(edit.segment_duration), u128::from(movie_scale));
        let wide = edit * u128::from(self.scale);
        let edited = u64::try_from((wide + scale / 2) / scale).ok()?;
        let coarse = u128::from(edited.abs_diff(length)) * scale <= self.scale.into();
        (normal_speed && coarse).then_some(edited.min(length)).filter(|ticks| *ticks > 0)
    }
}

fn ticks(stts: &Stts) -> Option<u64> {
    stts.entries.iter().try_fold(0_u64, |all, entry| {
        all.checked_add(u64::from(entry.sample_count) * u64::from(entry.sample_delta))
    })
}
