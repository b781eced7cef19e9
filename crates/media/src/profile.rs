//! Profiles: named recipes, written as data and checked when they are read.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The profiles that ship with the program.
const BUILTIN: [&str; 3] = [
    include_str!("../profiles/web.toml"),
    include_str!("../profiles/hls.toml"),
    include_str!("../profiles/showcase.toml"),
];

/// Longest both cards may be together, in seconds.
const MOST_CARDS_S: f64 = 5.0;

/// A recipe for the outputs of one video.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// How it is asked for: lower-case letters, digits and `-`.
    pub name: String,
    /// One sentence for people who choose.
    pub description: String,
    pub(crate) frame: Frame,
    pub(crate) video: VideoRecipe,
    pub(crate) audio: Option<AudioRecipe>,
    pub(crate) poster: Option<PosterRecipe>,
    pub(crate) copy: Option<CopyRule>,
    pub(crate) hls: Option<Ladder>,
    pub(crate) watermark: Option<Watermark>,
    pub(crate) cards: Option<Cards>,
}

/// The box the MP4's picture fits.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Fill the box exactly, with bars, instead of shrinking to fit.
    #[serde(default)]
    pub(crate) pad: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VideoRecipe {
    pub(crate) max_fps: u32,
    pub(crate) preset: Preset,
    pub(crate) crf: u8,
    /// Only this much from the start, in seconds.
    pub(crate) max_duration_s: Option<f64>,
}

/// x264's presets that make sense here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Preset {
    Ultrafast,
    Superfast,
    Veryfast,
    Faster,
    Fast,
    Medium,
    Slow,
}

impl Preset {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Preset::Ultrafast => "ultrafast",
            Preset::Superfast => "superfast",
            Preset::Veryfast => "veryfast",
            Preset::Faster => "faster",
            Preset::Fast => "fast",
            Preset::Medium => "medium",
            Preset::Slow => "slow",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AudioRecipe {
    pub(crate) kbps: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PosterRecipe {
    /// Moment of the poster in seconds; earlier in a short video.
    pub(crate) at_s: f64,
}

/// When a source may be copied instead of encoded.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CopyRule {
    pub(crate) max_video_kbps: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ladder {
    pub(crate) segment_s: u32,
    pub(crate) rungs: Vec<RungRecipe>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RungRecipe {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) max_kbps: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Watermark {
    pub(crate) width: u32,
    pub(crate) margin: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cards {
    #[serde(default)]
    pub(crate) opening_s: f64,
    #[serde(default)]
    pub(crate) closing_s: f64,
}

/// Why a profile is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML, or not of the right shape.
    #[error("profile is not readable: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A value that cannot work.
    #[error("profile `{name}`: {why}")]
    Value {
        /// The profile.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two profiles of one name.
    #[error("profile `{0}` is there twice")]
    Twice(String),
}

/// All profiles that can be asked for.
#[derive(Debug, Clone)]
pub struct Profiles(BTreeMap<String, Profile>);

impl Profiles {
    /// The profiles that ship with the program: `web`, `hls`, `showcase`.
    pub fn builtin() -> Profiles {
        let mut profiles = Profiles(BTreeMap::new());
        for text in BUILTIN {
            // Unwrap safety: constants of this build; a unit test adds each of them.
            #[expect(clippy::expect_used, reason = "constants, proven by a test")]
            profiles.add(text).expect("built-in profiles are valid");
        }
        profiles
    }

    /// One profile from TOML, checked.
    pub fn parse(toml: &str) -> Result<Profile, ProfileError> {
        let profile: Profile = toml::from_str(toml)?;
        match check(&profile) {
            Ok(()) => Ok(profile),
            Err(why) => Err(ProfileError::Value { name: profile.name, why }),
        }
    }

    /// Adds one profile from TOML.
    pub fn add(&mut self, toml: &str) -> Result<(), ProfileError> {
        let profile = Profiles::parse(toml)?;
        if self.0.contains_key(&profile.name) {
            return Err(ProfileError::Twice(profile.name));
        }
        self.0.insert(profile.name.clone(), profile);
        Ok(())
    }

    /// The profile of this name.
    pub fn get(&self, name: &str) -> Option<&Profile> {
        self.0.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Everything that would only fail later, in ffmpeg, is refused here.
fn check(profile: &Profile) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    ensure(
        !profile.name.is_empty() && profile.name.bytes().all(plain),
        "name: lower-case letters, digits and `-`",
    )?;
    boxed("frame", profile.frame.width, profile.frame.height)?;
    ensure((1..=240).contains(&profile.video.max_fps), "video.max_fps: 1 to 240")?;
    ensure(profile.video.crf <= 51, "video.crf: 0 to 51")?;
    ensure(profile.video.max_duration_s.is_none_or(seconds), "video.max_duration_s: above zero")?;
    ensure(
        profile.audio.as_ref().is_none_or(|a| (16..=512).contains(&a.kbps)),
        "audio.kbps: 16 to 512",
    )?;
    ensure(
        profile.poster.as_ref().is_none_or(|p| p.at_s == 0.0 || seconds(p.at_s)),
        "poster.at_s: zero or more",
    )?;
    if let Some(hls) = &profile.hls {
        ladder(hls)?;
        ensure(
            profile.cards.is_none() && profile.watermark.is_none() && !profile.frame.pad,
            "hls: not with cards, watermark or pad",
        )?;
    }
    if let Some(mark) = &profile.watermark {
        ensure(
            mark.width >= 2 && mark.width + mark.margin <= profile.frame.width,
            "watermark: wider than the frame",
        )?;
        ensure(profile.frame.pad, "watermark: needs frame.pad")?;
    }
    if let Some(cards) = &profile.cards {
        let each = [cards.opening_s, cards.closing_s];
        ensure(
            each.iter().all(|s| *s >= 0.0) && each.iter().sum::<f64>() <= MOST_CARDS_S,
            "cards: at most 5 s together",
        )?;
        ensure(profile.frame.pad && profile.audio.is_none(), "cards: need frame.pad and no audio")?;
    }
    let decorated =
        profile.frame.pad || profile.watermark.is_some() || profile.video.max_duration_s.is_some();
    ensure(
        profile.copy.is_none() || (!decorated && profile.hls.is_none()),
        "copy: only for a plain MP4",
    )
}

fn ladder(hls: &Ladder) -> Result<(), String> {
    ensure((1..=30).contains(&hls.segment_s), "hls.segment_s: 1 to 30")?;
    ensure((1..=8).contains(&hls.rungs.len()), "hls.rungs: 1 to 8")?;
    for rung in &hls.rungs {
        boxed("hls.rungs", rung.width, rung.height)?;
        ensure(rung.max_kbps >= 50, "hls.rungs: max_kbps at least 50")?;
    }
    ensure(hls.rungs.is_sorted_by(|a, b| a.height > b.height), "hls.rungs: largest first")
}

fn boxed(what: &str, width: u32, height: u32) -> Result<(), String> {
    let fine = |n: u32| (16..=7680).contains(&n) && n.is_multiple_of(2);
    ensure(
        fine(width) && fine(height) && width >= height,
        &format!("{what}: even, 16 to 7680, landscape"),
    )
}

fn seconds(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

fn ensure(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_profiles_are_valid() {
        let profiles = Profiles::builtin();
        assert_eq!(profiles.names().collect::<Vec<_>>(), ["hls", "showcase", "web"]);
    }

    #[test]
    fn a_bad_profile_is_refused_with_what_is_wrong() {
        let web = include_str!("../profiles/web.toml");
        for (from, to, says) in [
            ("\"web\"", "\"Web Site\"", "name"),
            ("width = 1280", "width = 1281", "frame"),
            ("crf = 23", "crf = 52", "crf"),
            ("\"veryfast\"", "\"veryfast -vf x\"", "veryfast"),
            ("kbps = 128", "kbps = 5", "audio.kbps"),
            ("crf = 23", "crf = 23\ntune = \"film\"", "tune"),
            ("height = 720", "height = 720\npad = true", "copy"),
        ] {
            let text = web.replace(from, to);
            assert_ne!(text, web, "{from} is not there");
            let err = Profiles::parse(&text).expect_err(to).to_string();
            assert!(err.contains(says), "{to}: {err}");
        }
    }
}
