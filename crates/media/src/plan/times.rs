//! How long everything is, and how long the result must be.

use crate::Limits;
use crate::probe::{Rate, Source};
use crate::profile::Profile;

/// A source longer than it declares is followed this far: twice as long and
/// ten seconds. Beyond that its timestamps are broken.
const SLACK_FACTOR: f64 = 2.0;
const SLACK_S: f64 = 10.0;

/// The least part of a file's declared duration when some of its tracks are
/// left out and nothing says how long the others are.
const LEFT_OUT: f64 = 0.75;

/// The moments of one plan, in seconds.
pub(super) struct Times {
    /// Reading stops here.
    pub(super) cut_s: f64,
    /// Stopping there is what the profile wants.
    pub(super) cut_is_wanted: bool,
    pub(super) opening_s: f64,
    closing_s: f64,
    /// Both cards.
    pub(super) cards_s: f64,
    /// Duration of the result, when the source tells.
    pub(super) expected_s: Option<f64>,
    /// Least duration of the picture track, when the source declares it.
    pub(super) picture_s: Option<f64>,
    /// Least duration of the result, when the picture track declares none.
    pub(super) whole_s: Option<f64>,
    /// The same for a source that turns out to end early.
    pub(super) whole_if_cut_s: Option<f64>,
    /// Moment of the poster in the source.
    pub(super) poster_s: Option<f64>,
}

impl Times {
    pub(super) fn of(source: &Source, profile: &Profile, limits: &Limits) -> Times {
        let most = limits.max_duration.as_secs_f64();
        let slack = source.duration_s.map_or(most, |s| (s * SLACK_FACTOR + SLACK_S).min(most));
        let wanted = profile.video.max_duration_s;
        let (opening_s, closing_s) =
            profile.cards.as_ref().map_or((0.0, 0.0), |cards| (cards.opening_s, cards.closing_s));
        let cards_s = opening_s + closing_s;
        let result = |s: f64| wanted.map_or(s, |wanted| s.min(wanted)) + cards_s;
        let expected_s = source.duration_s.map(result);
        let (whole_s, whole_if_cut_s) = match (source.video.duration_s, used_end(source, profile)) {
            (Some(_), _) => (None, None),
            (None, Some(end)) => (Some(result(end)), Some(result(end))),
            // A track that is left out, often subtitles, may be the longest.
            (None, None) => (expected_s.map(|s| s * LEFT_OUT), expected_s),
        };
        Times {
            cut_s: wanted.map_or(slack, |wanted| wanted.min(slack)),
            cut_is_wanted: wanted.is_some_and(|wanted| wanted <= slack),
            opening_s,
            closing_s,
            cards_s,
            expected_s,
            picture_s: source.video.duration_s.map(|s| result(s + source.video.start_s)),
            whole_s,
            whole_if_cut_s,
            poster_s: profile.poster.as_ref().map(|poster| {
                source.duration_s.map_or(poster.at_s, |length| poster.at_s.min(length / 3.0))
            }),
        }
    }

    /// Frames the cards take at this rate: each ends with a whole frame.
    pub(super) fn card_frames(&self, rate: Rate) -> u64 {
        let frames = |seconds: f64| (seconds * rate.fps()).ceil() as u64;
        frames(self.opening_s) + frames(self.closing_s)
    }
}

/// Where the last of the used tracks ends, as far as the file tells: by what it
/// notes about each, or by its own duration if it holds no other track.
fn used_end(source: &Source, profile: &Profile) -> Option<f64> {
    let whole = source.duration_s?;
    let picture = source.video.noted_end_s;
    let (noted, all_used) = match (&source.audio, &profile.audio) {
        (Some(sound), Some(_)) => {
            (picture.zip(sound.noted_end_s).map(|(a, b)| a.max(b)), source.all_used)
        }
        (Some(_), None) => (picture, false),
        (None, _) => (picture, source.all_used),
    };
    noted.map(|end| end.min(whole)).or_else(|| all_used.then_some(whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{source, video};
    use crate::profile::Profiles;

    /// What a file of 100 s must give: as it is, and when it turns out to end early.
    fn least(profile: &str, spoil: impl FnOnce(&mut Source)) -> (Option<f64>, Option<f64>) {
        let mut source = source(video(640, 360));
        source.duration_s = Some(100.0);
        source.video.duration_s = None;
        spoil(&mut source);
        let profiles = Profiles::builtin();
        let profile = profiles.get(profile).expect("a built-in profile");
        let times = Times::of(&source, profile, &Limits::default());
        (times.whole_s, times.whole_if_cut_s)
    }

    #[test]
    fn the_least_duration_is_the_best_known_end_of_the_used_tracks() {
        fn note(source: &mut Source, picture: f64, sound: f64) {
            source.video.noted_end_s = Some(picture);
            source.audio.as_mut().expect("sound").noted_end_s = Some(sound);
        }
        assert_eq!(least("web", |s| s.video.duration_s = Some(60.0)), (None, None));
        assert_eq!(least("web", |_| ()), (Some(100.0), Some(100.0)), "no other track");
        assert_eq!(least("web", |s| s.all_used = false), (Some(75.0), Some(100.0)), "unknown");
        let longest = |s: &mut Source| {
            s.all_used = false;
            note(s, 60.0, 80.0);
        };
        assert_eq!(least("web", longest), (Some(80.0), Some(80.0)), "both are noted");
        let half = |s: &mut Source| {
            longest(s);
            s.video.noted_end_s = None;
        };
        assert_eq!(least("web", half), (Some(75.0), Some(100.0)), "one is not");
        assert_eq!(least("web", |s| note(s, 100.9, 90.0)), (Some(100.0), Some(100.0)), "rounding");
        assert_eq!(least("web", |s| s.duration_s = None), (None, None));
    }

    #[test]
    fn sound_that_the_profile_leaves_out_does_not_count() {
        let cards = 5.0;
        let noted = |s: &mut Source| s.video.noted_end_s = Some(10.0);
        assert_eq!(least("showcase", noted), (Some(10.0 + cards), Some(10.0 + cards)));
        let first = 30.0 + cards;
        assert_eq!(least("showcase", |_| ()), (Some(first * LEFT_OUT), Some(first)));
    }
}
