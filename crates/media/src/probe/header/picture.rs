//! The picture track: one H.264 stream, 8-bit 4:2:0, progressive, of constant rate.

use h264_reader::nal::sps::{
    ChromaFormat, FrameMbsFlags, Profile, SeqParameterSet, VideoSignalType,
};
use h264_reader::nal::{Nal, NalHeader, RefNal, UnitType};
use mp4_atom::{Avc1, Codec, Colr, SttsEntry, Trak};
use serde_json::{Value, json};

use super::tables::samples;
use super::{shown, ticks};

/// Fewer frames do not make a rate: ffprobe guesses from timestamps then.
const FEW_FRAMES: u64 = 30;

/// SMPTE ST 2084 and ARIB STD-B67 in ITU-T H.273, table 3.
const HDR_TRANSFERS: [u16; 2] = [16, 18];

/// ffprobe's account of the track, without what every track has.
pub(super) fn stream(trak: &Trak, movie_scale: u32) -> Option<Value> {
    let (count, bytes) = samples(trak).filter(|(count, _)| *count >= FEW_FRAMES)?;
    let [Codec::Avc1(avc)] = trak.mdia.minf.stbl.stsd.codecs.as_slice() else { return None };
    let (sps, pps) = (&avc.avcc.sequence_parameter_sets, &avc.avcc.picture_parameter_sets);
    let ([sps], [pps]) = (sps.as_slice(), pps.as_slice()) else { return None };
    let kinds = (avc.avcc.configuration_version, kind(sps)?, kind(pps)?);
    (kinds == (1, UnitType::SeqParameterSet, UnitType::PicParameterSet)).then_some(())?;
    let sps = SeqParameterSet::from_bits(RefNal::new(sps, &[], true).rbsp_bits()).ok()?;
    let profile = profile(&sps)?;
    let matrix = colours(&sps, avc)?;
    let (width, height) = size(&sps, avc, trak)?;
    let scale = trak.mdia.mdhd.timescale;
    let rate = rate(&trak.mdia.minf.stbl.stts.entries, scale)?;
    let length =
        shown(trak, movie_scale, |begin| (begin == first_shown(trak)?).then(|| ticks(trak)))?;
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
        "duration": format!("{:.6}", length as f64 / f64::from(scale)),
        "bit_rate": u64::try_from(bits * u128::from(scale) / u128::from(length)).ok()?,
        "nb_frames": count,
    }))
}

/// What a parameter set's own header says that it is.
fn kind(set: &[u8]) -> Option<UnitType> {
    NalHeader::new(*set.first()?).ok().map(|header| header.nal_unit_type())
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
fn colours(sps: &SeqParameterSet, avc: &Avc1) -> Option<Option<u16>> {
    let signal = sps.vui_parameters.as_ref().and_then(|vui| vui.video_signal_type.as_ref());
    let full = signal.is_some_and(|signal: &VideoSignalType| signal.video_full_range_flag);
    let coded = signal.and_then(|signal| signal.colour_description.as_ref());
    let coded =
        coded.map(|c| (u16::from(c.transfer_characteristics), u16::from(c.matrix_coefficients)));
    let boxed = match &avc.colr {
        None => None,
        Some(Colr::Nclx { full_range_flag: true, .. } | Colr::Ricc { .. } | Colr::Prof { .. }) => {
            return None;
        }
        Some(
            Colr::Nclx { transfer_characteristics, matrix_coefficients, .. }
            | Colr::Nclc { transfer_characteristics, matrix_coefficients, .. },
        ) => Some((*transfer_characteristics, *matrix_coefficients)),
        Some(_) => return None,
    };
    let hdr = [coded, boxed].into_iter().flatten().any(|(to, _)| HDR_TRANSFERS.contains(&to));
    (!full && !hdr).then_some(coded.or(boxed).map(|(_, matrix)| matrix))
}

/// The size in pixels, when the three places that state one agree and pixels are square.
fn size(sps: &SeqParameterSet, avc: &Avc1, trak: &Trak) -> Option<(u32, u32)> {
    let square = |(wide, high): (u32, u32)| wide == high;
    let aspect = sps.vui_parameters.as_ref().and_then(|vui| vui.aspect_ratio_info.as_ref());
    let aspect = aspect.and_then(|info| info.get()).map(|(w, h)| (u32::from(w), u32::from(h)));
    let boxed = avc.pasp.as_ref().map(|pasp| (pasp.h_spacing, pasp.v_spacing));
    let coded = sps.pixel_dimensions().ok()?;
    let header = (u32::from(avc.visual.width), u32::from(avc.visual.height));
    let shown = (&trak.tkhd.width, &trak.tkhd.height);
    let whole = shown.0.decimal() == 0 && shown.1.decimal() == 0;
    let shown = (u32::from(shown.0.integer()), u32::from(shown.1.integer()));
    let agreed = coded == header && coded == shown && whole;
    (agreed && aspect.is_none_or(square) && boxed.is_none_or(square) && avc.fiel.is_none())
        .then_some(coded)
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
fn first_shown(trak: &Trak) -> Option<u64> {
    let Some(offsets) = &trak.mdia.minf.stbl.ctts else { return Some(0) };
    let delta = i64::from(trak.mdia.minf.stbl.stts.entries.first()?.sample_delta);
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
