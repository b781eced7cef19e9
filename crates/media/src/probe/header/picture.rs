//! The picture track: one H.264 stream, 8-bit 4:2:0, progressive, of constant rate.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use h264_reader::nal::sps::{
    ChromaFormat, FrameMbsFlags, Profile, SeqParameterSet, VideoSignalType,
};
use h264_reader::nal::{Nal, NalHeader, RefNal, UnitType};
use mp4_atom::{Avcc, Pasp, SttsEntry};
use serde_json::{Value, json};

use super::tables::{first_sample, samples};
use super::track::Track;
use super::tree::Tree;

/// Bytes of a visual sample entry before its boxes (ISO/IEC 14496-12, 12.1.3).
const ENTRY: usize = 78;

/// Fewer frames do not make a rate: ffprobe guesses from timestamps then.
const FEW_FRAMES: u64 = 30;

/// The first sample of a plain file is no larger.
const MOST_SAMPLE: u64 = 8 << 20;

/// SMPTE ST 2084 and ARIB STD-B67 in ITU-T H.273, table 3.
const HDR_TRANSFERS: [u16; 2] = [16, 18];

/// ffprobe's account of the track, without what every track has.
pub(super) fn stream(track: &Track, movie_scale: u32, input: &Path) -> Option<Value> {
    let (count, bytes) = samples(track).filter(|(count, _)| *count >= FEW_FRAMES)?;
    let (b"avc1", body) = (&track.entry.0, track.entry.1) else { return None };
    let (entry, boxes) = body.split_first_chunk::<ENTRY>()?;
    let boxes = Tree::of(boxes, &[b"avcC", b"colr", b"pasp", b"btrt"])?;
    let avcc: Avcc = boxes.leaf()?;
    let sps = parameters(&avcc)?;
    starts_without_parameters(input, track, avcc.length_size)?;
    let profile = profile(&sps)?;
    let matrix = colours(&sps, &boxes)?;
    let aspect: Option<Pasp> = boxes.leaf_if_any()?;
    let (width, height) = size(&sps, entry, aspect, track)?;
    let rate = rate(&track.stts.entries, track.scale)?;
    let length =
        track.shown(movie_scale, |begin| (begin == first_shown(track)?).then_some(track.ticks))?;
    let bits = u128::from(bytes) * 8;
    Some(json!({
        "codec_type": "video",
        "codec_name": "h264",
        "codec_tag_string": "avc1",
        "profile": profile,
        "level": sps.level_idc,
        "width": width,
        "height": height,
        "pix_fmt": "yuv420p",
        "field_order": "progressive",
        "color_space": if matrix == Some(1) { "bt709" } else { "unknown" },
        "r_frame_rate": rate,
        "avg_frame_rate": rate,
        "duration_ts": length,
        "duration": format!("{:.6}", length as f64 / f64::from(track.scale)),
        "bit_rate": u64::try_from(bits * u128::from(track.scale) / u128::from(length)).ok()?,
        "nb_frames": count,
    }))
}

/// The only sequence parameter set beside the only picture parameter set.
fn parameters(avcc: &Avcc) -> Option<SeqParameterSet> {
    let (sps, pps) = (&avcc.sequence_parameter_sets, &avcc.picture_parameter_sets);
    let ([sps], [pps]) = (sps.as_slice(), pps.as_slice()) else { return None };
    let kinds = (avcc.configuration_version, kind(*sps.first()?)?, kind(*pps.first()?)?);
    (kinds == (1, UnitType::SeqParameterSet, UnitType::PicParameterSet)).then_some(())?;
    SeqParameterSet::from_bits(RefNal::new(sps, &[], true).rbsp_bits()).ok()
}

/// What a unit's first byte says that it is.
fn kind(header: u8) -> Option<UnitType> {
    NalHeader::new(header).ok().map(|header| header.nal_unit_type())
}

/// That the first sample brings no parameter sets of its own, which would outdo the header's.
fn starts_without_parameters(input: &Path, track: &Track, length_size: u8) -> Option<()> {
    let (from, to) = first_sample(track)?;
    let bytes = to.checked_sub(from).filter(|bytes| *bytes <= MOST_SAMPLE)?;
    let mut file = File::open(input).ok()?;
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut sample = Vec::new();
    file.take(bytes).read_to_end(&mut sample).ok()?;
    let mut rest = sample.as_slice();
    while !rest.is_empty() {
        let (length, unit) = rest.split_at_checked(usize::from(length_size))?;
        let length = length.iter().fold(0_usize, |all, byte| all << 8 | usize::from(*byte));
        let (unit, behind) = unit.split_at_checked(length)?;
        let parameters = [
            UnitType::SeqParameterSet,
            UnitType::SeqParameterSetExtension,
            UnitType::SubsetSeqParameterSet,
            UnitType::PicParameterSet,
        ];
        (!parameters.contains(&kind(*unit.first()?)?)).then_some(())?;
        rest = behind;
    }
    Some(())
}

/// ffmpeg's name of the profile; `None` unless it is 8-bit 4:2:0 frames.
fn profile(sps: &SeqParameterSet) -> Option<&'static str> {
    let chroma = &sps.chroma_info;
    let plain = chroma.chroma_format == ChromaFormat::YUV420
        && chroma.bit_depth_luma_minus8 == 0
        && chroma.bit_depth_chroma_minus8 == 0
        && sps.frame_mbs_flags == FrameMbsFlags::Frames;
    plain.then_some(())?;
    match sps.profile() {
        Profile::ConstrainedBaseline => Some("Constrained Baseline"),
        Profile::Baseline => Some("Baseline"),
        Profile::Main => Some("Main"),
        Profile::High | Profile::ProgressiveHigh | Profile::ConstrainedHigh => Some("High"),
        _ => None,
    }
}

/// The colour matrix; `None` for high dynamic or full range, which is left to ffprobe.
fn colours(sps: &SeqParameterSet, boxes: &Tree) -> Option<Option<u16>> {
    let signal = sps.vui_parameters.as_ref().and_then(|vui| vui.video_signal_type.as_ref());
    let full = signal.is_some_and(|signal: &VideoSignalType| signal.video_full_range_flag);
    let coded = signal.and_then(|signal| signal.colour_description.as_ref());
    let coded =
        coded.map(|c| (u16::from(c.transfer_characteristics), u16::from(c.matrix_coefficients)));
    let boxed = match boxes.all(b"colr").next() {
        None => None,
        Some(_) => Some(match boxes.body(b"colr")? {
            // Primaries, transfer, matrix, and of the newer kind the range: limited.
            [b'n', b'c', b'l', b'c', _, _, t0, t1, m0, m1]
            | [b'n', b'c', b'l', b'x', _, _, t0, t1, m0, m1, 0] => {
                (u16::from_be_bytes([*t0, *t1]), u16::from_be_bytes([*m0, *m1]))
            }
            _ => return None,
        }),
    };
    let hdr = [coded, boxed].into_iter().flatten().any(|(to, _)| HDR_TRANSFERS.contains(&to));
    (!full && !hdr).then_some(coded.or(boxed).map(|(_, matrix)| matrix))
}

/// The size in pixels, when the three places that state one agree and pixels are square.
fn size(
    sps: &SeqParameterSet,
    entry: &[u8; ENTRY],
    boxed: Option<Pasp>,
    track: &Track,
) -> Option<(u32, u32)> {
    let square = |(wide, high): (u32, u32)| wide == high;
    let aspect = sps.vui_parameters.as_ref().and_then(|vui| vui.aspect_ratio_info.as_ref());
    let aspect = aspect.and_then(|info| info.get()).map(|(w, h)| (u32::from(w), u32::from(h)));
    let boxed = boxed.map(|pasp| (pasp.h_spacing, pasp.v_spacing));
    let coded = sps.pixel_dimensions().ok()?;
    let side = |at: usize| u32::from(u16::from_be_bytes([entry[at], entry[at + 1]]));
    let header = (side(24), side(26));
    let shown = (&track.tkhd.width, &track.tkhd.height);
    let whole = shown.0.decimal() == 0 && shown.1.decimal() == 0;
    let shown = (u32::from(shown.0.integer()), u32::from(shown.1.integer()));
    let agreed = coded == header && coded == shown && whole;
    (agreed && aspect.is_none_or(square) && boxed.is_none_or(square)).then_some(coded)
}

/// A usual rate that every frame keeps to.
fn rate(entries: &[SttsEntry], scale: u32) -> Option<String> {
    let delta = entries.first()?.sample_delta;
    (delta > 0 && entries.iter().all(|entry| entry.sample_delta == delta)).then_some(())?;
    [1, 1001].into_iter().find_map(|den: u32| {
        let frames = u64::from(scale) * u64::from(den);
        frames
            .is_multiple_of(u64::from(delta))
            .then(|| format!("{}/{den}", frames / u64::from(delta)))
    })
}

/// When the first frame is shown, in ticks, and that it is shown before all others.
fn first_shown(track: &Track) -> Option<u64> {
    let Some(offsets) = &track.ctts else { return Some(0) };
    let delta = i64::from(track.stts.entries.first()?.sample_delta);
    let first = offsets.entries.first()?.sample_offset;
    let mut coded = 0_i64;
    for entry in &offsets.entries {
        // Of a run of equal offsets the first is shown first.
        let shown = coded.checked_add(entry.sample_offset)?;
        (entry.sample_offset >= 0 && shown >= first).then_some(())?;
        coded = coded.checked_add(delta.checked_mul(i64::from(entry.sample_count))?)?;
    }
    u64::try_from(first).ok()
}
