//! The sound track: AAC-LC, mono or stereo, at a rate too high for hidden SBR.

use mp4_atom::{Codec, Trak};
use serde_json::{Value, json};

use super::tables::samples;
use super::{shown, ticks};

/// Samples of one AAC-LC frame.
const FRAME: u32 = 1024;

/// Sampling frequencies from 48 kHz down to 32 kHz, by their index 3 to 5
/// (ISO/IEC 14496-3, table 1.18). Below, the rate may be doubled by SBR unannounced.
const RATES: [(u8, u32); 3] = [(3, 48_000), (4, 44_100), (5, 32_000)];

/// "No SBR", as encoders append it to the configuration.
const NO_SBR: [u8; 3] = [0x56, 0xe5, 0x00];

/// ffprobe's account of the track, without what every track has.
pub(super) fn stream(trak: &Trak, movie_scale: u32) -> Option<Value> {
    samples(trak)?;
    let [Codec::Mp4a(aac)] = trak.mdia.minf.stbl.stsd.codecs.as_slice() else { return None };
    let config = &aac.esds.es_desc.dec_config;
    let aac_lc = config.dec_specific.as_ref().filter(|specific| specific.profile == 2)?;
    let no_sbr = matches!(aac_lc.raw.get(2..), Some([])) || aac_lc.raw.get(2..) == Some(&NO_SBR);
    let (_, rate) = RATES.into_iter().find(|(index, _)| *index == aac_lc.freq_index)?;
    let plain = config.object_type_indication == 0x40
        && no_sbr
        && (1..=2).contains(&aac_lc.chan_conf)
        && trak.mdia.mdhd.timescale == rate;
    let entries = &trak.mdia.minf.stbl.stts.entries;
    let last = entries.len().checked_sub(1)?;
    let framed = entries.iter().enumerate().all(|(at, entry)| {
        let rest = at == last && entry.sample_count == 1 && entry.sample_delta <= FRAME;
        entry.sample_delta == FRAME || rest
    });
    (plain && framed && trak.mdia.minf.stbl.ctts.is_none()).then_some(())?;
    let length = shown(trak, movie_scale, |begin| ticks(trak).checked_sub(begin))?;
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
