//! How long everything is, and how long the result must be.

use crate::Limits;
use crate::probe::{Rate, Source};
use crate::profile::Profile;

/// A source longer than it declares is followed this far: twice as long and
/// ten seconds. Beyond that its timestamps are broken.
const SLACK_FACTOR: f64 = 2.0;
const SLACK_S: f64 = 10.0;

/// The least part of a declared duration when some tracks are left out.
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
    /// Least duration of the result, when only that is declared.
    pub(super) whole_s: Option<f64>,
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
        Times {
            cut_s: wanted.map_or(slack, |wanted| wanted.min(slack)),
            cut_is_wanted: wanted.is_some_and(|wanted| wanted <= slack),
            opening_s,
            closing_s,
            cards_s,
            expected_s,
            picture_s: source.video.duration_s.map(|s| result(s + source.video.start_s)),
            whole_s: match source.video.duration_s {
                Some(_) => None,
                None if source.all_used => expected_s,
                // A track that is left out, often subtitles, may be the longest.
                None => expected_s.map(|s| s * LEFT_OUT),
            },
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
