//! ffprobe's JSON, read without believing any of its types.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An answer of ffprobe. Every field may be missing or nonsense.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct RawProbe {
    #[serde(default)]
    pub(crate) streams: Vec<RawStream>,
    #[serde(default)]
    pub(crate) format: RawFormat,
    /// ffprobe warned that it guessed the duration.
    #[serde(skip)]
    pub(crate) guessed_duration: bool,
}

impl RawProbe {
    /// Reads an answer; `None` when it is not even JSON of the right shape.
    pub fn parse(json: &[u8]) -> Option<RawProbe> {
        serde_json::from_slice(json).ok()
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawFormat {
    #[serde(deserialize_with = "text")]
    pub(crate) format_name: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) duration: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) start_time: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) bit_rate: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) nb_streams: Text,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawStream {
    #[serde(deserialize_with = "text")]
    pub(crate) index: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) codec_type: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) codec_name: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) codec_tag_string: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) profile: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) level: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) width: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) height: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) pix_fmt: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) sample_aspect_ratio: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) field_order: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) color_range: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) color_space: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) color_transfer: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) r_frame_rate: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) avg_frame_rate: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) start_time: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) duration: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) duration_ts: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) bit_rate: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) nb_frames: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) channels: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) sample_rate: Text,
    pub(crate) disposition: RawDisposition,
    pub(crate) side_data_list: Vec<RawSideData>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawDisposition {
    #[serde(deserialize_with = "text")]
    pub(crate) default: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) attached_pic: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) timed_thumbnails: Text,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawSideData {
    #[serde(deserialize_with = "text")]
    pub(crate) side_data_type: Text,
    #[serde(deserialize_with = "text")]
    pub(crate) rotation: Text,
}

/// A scalar as text, or nothing. ffprobe writes some numbers as strings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(Option<String>);

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
    Ok(Text(match Value::deserialize(from)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(u8::from(yes).to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }))
}

impl Text {
    pub(crate) fn str(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }

    pub(crate) fn is(&self, text: &str) -> bool {
        self.str() == text
    }

    pub(crate) fn yes(&self) -> bool {
        self.is("1")
    }

    pub(crate) fn whole(&self) -> Option<u64> {
        self.str().parse().ok()
    }

    /// A finite number.
    pub(crate) fn number(&self) -> Option<f64> {
        self.str().parse().ok().filter(|n: &f64| n.is_finite())
    }

    /// A finite number above zero.
    pub(crate) fn positive(&self) -> Option<f64> {
        self.number().filter(|n| *n > 0.0)
    }

    /// `a/b` or `a:b` with both sides above zero.
    pub(crate) fn ratio(&self) -> Option<(u32, u32)> {
        let (a, b) = self.str().split_once(['/', ':'])?;
        let (a, b) = (a.parse().ok()?, b.parse().ok()?);
        (a > 0 && b > 0).then_some((a, b))
    }
}
