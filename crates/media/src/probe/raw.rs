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
    pub(crate) tags: RawTags,
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

/// The tags in which Matroska files note how long a track is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawTags {
    /// As ffmpeg and mkvmerge write it.
    #[serde(rename = "DURATION", deserialize_with = "text")]
    duration: Text,
    /// As older mkvmerge wrote it. ffmpeg copies it without looking, beside a
    /// new one of its own.
    #[serde(rename = "DURATION-eng", deserialize_with = "text")]
    duration_eng: Text,
}

impl RawTags {
    /// The noted seconds. ffmpeg notes where the track ends, mkvmerge how long
    /// it is, which is never more.
    pub(crate) fn seconds(&self) -> Option<f64> {
        [&self.duration, &self.duration_eng].into_iter().find_map(Text::clock)
    }
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

    /// `HH:MM:SS.fraction` above zero, in seconds, and nothing looser.
    fn clock(&self) -> Option<f64> {
        let digits = |text: &str, most: usize| {
            let plain =
                (2..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse::<u32>().ok()).flatten()
        };
        let (whole, fraction) = self.str().split_once('.')?;
        let (hours, rest) = whole.split_once(':')?;
        let (minutes, seconds) = rest.split_once(':')?;
        let minutes = digits(minutes, 2).filter(|n| *n < 60)?;
        // ffmpeg rounds 59.9999999999 up, and leaves it there.
        let seconds = digits(seconds, 2).filter(|n| *n <= 60)?;
        let whole = f64::from(digits(hours, 4)?) * 3600.0 + f64::from(minutes * 60 + seconds);
        let parts = f64::from(digits(fraction, 9)?) / 10_f64.powi(fraction.len() as i32);
        Some(whole + parts).filter(|s| *s > 0.0)
    }

    /// `a/b` or `a:b` with both sides above zero.
    pub(crate) fn ratio(&self) -> Option<(u32, u32)> {
        let (a, b) = self.str().split_once(['/', ':'])?;
        let (a, b) = (a.parse().ok()?, b.parse().ok()?);
        (a > 0 && b > 0).then_some((a, b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_is_read_as_one() {
        let clock = |text: &str| Text(Some(text.to_owned())).clock();
        assert_eq!(clock("00:00:10.000000000"), Some(10.0));
        assert_eq!(clock("01:02:03.500000000"), Some(3723.5));
        assert_eq!(clock("100:00:60.00"), Some(360_060.0));
        for text in [
            "",
            "10",
            "10.0",
            "0:0:1.0",
            "00:10.000000000",
            "00:00:00.000000000",
            "00:00:10",
            "00:60:00.000000000",
            "00:00:61.000000000",
            "-1:00:10.000000000",
            "+1:00:10.000000000",
            " 00:00:10.000000000",
            "00:00:10.000000000 ",
            "00:00:10.00000000000",
            "nan:00:10.00",
            "99999:00:10.000000000",
            "00:00:1e.000000000",
            "٠٠:00:10.000000000",
            "00:00:00:10.00",
        ] {
            assert_eq!(clock(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_newer_tag_is_believed_before_the_older_one() {
        let seconds = |tags: &str| serde_json::from_str::<RawTags>(tags).expect("tags").seconds();
        let (new, old) = (r#""DURATION": "00:00:02.000""#, r#""DURATION-eng": "00:00:03.000""#);
        assert_eq!(seconds(&format!("{{{old}, {new}}}")), Some(2.0));
        assert_eq!(seconds(&format!("{{{old}}}")), Some(3.0));
        assert_eq!(seconds(r#"{"DURATION": ["00:00:02.000"], "title": "x"}"#), None);
    }
}
