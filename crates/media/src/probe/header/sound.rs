//! The sound track: AAC-LC, mono or stereo, at a rate too high for hidden SBR.

use mp4_atom::Esds;
use serde_json::{Value, json};

use super::tables::samples;
use super::track::Track;
use super::tree::Tree;

/// Bytes of an audio sample entry before its boxes (ISO/IEC 14496-12, 12.2.3).
const ENTRY: usize = 28;

/// Samples of one AAC-LC frame.
const FRAME: u32 = 1024;

/// Sampling frequencies from 48 kHz down to 32 kHz, by their index 3 to 5
/// (ISO/IEC 14496-3, table 1.18). Below, the rate may be doubled by SBR unannounced.
const RATES: [(u8, u32); 3] = [(3, 48_000), (4, 44_100), (5, 32_000)];

/// "No SBR", as encoders append it to the configuration.
const NO_SBR: [u8; 3] = [0x56, 0xe5, 0x00];

/// ffprobe's account of the track, without what every track has.
pub(super) fn stream(track: &Track, movie_scale: u32) -> Option<Value> {
    samples(track)?;
    let (b"mp4a", body) = (&track.entry.0, track.entry.1) else { return None };
    let (entry, boxes) = body.split_first_chunk::<ENTRY>()?;
    // Other versions, of QuickTime's, are longer.
    (entry[8..10] == [0, 0]).then_some(())?;
    let esds: Esds = Tree::of(boxes, &[b"esds", b"btrt"])?.leaf()?;
    let config = &esds.es_desc.dec_config;
    let aac_lc = config.dec_specific.as_ref().filter(|specific| specific.profile == 2)?;
    let no_sbr = matches!(aac_lc.raw.get(2..), Some([])) || aac_lc.raw.get(2..) == Some(&NO_SBR);
    let (_, rate) = RATES.into_iter().find(|(index, _)| *index == aac_lc.freq_index)?;
    let plain = config.object_type_indication == 0x40
        && no_sbr
        && (1..=2).contains(&aac_lc.chan_conf)
        && track.scale == rate;
    let entries = &track.stts.entries;
    let last = entries.len().checked_sub(1)?;
    let framed = entries.iter().enumerate().all(|(at, entry)| {
        let rest = at == last && entry.sample_count == 1 && entry.sample_delta <= FRAME;
        entry.sample_delta == FRAME || rest
    });
    (plain && framed && track.ctts.is_none()).then_some(())?;
    let length = track.shown(movie_scale, |begin| track.ticks.checked_sub(begin))?;
    Some(json!({
        "codec_type": "audio",
        "codec_name": "aac",
        "codec_tag_string": "mp4a",
        "profile": "LC",
        "channels": aac_lc.chan_conf,
        "sample_rate": rate,
        "duration_ts": length,
        "duration": format!("{:.6}", length as f64 / f64::from(rate)),
    }))
}
