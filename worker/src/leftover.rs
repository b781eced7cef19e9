//! What is left over, and since when. Pure: the collector looks and removes.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use reelfleet_db::Epochs;

/// So long a blob that no row names stays. Its row may be about to be written; or the database
/// is a backup that was put back, and somebody is about to notice.
pub(crate) const GRACE: Duration = Duration::from_secs(60 * 60);

/// What becomes of one epoch's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They have or may still get effects.
    Needed,
    /// Nobody will ever need them: they go at once.
    Lost,
    /// The database has not heard of this job, or not of this epoch: an older one is back, perhaps.
    Nameless,
}

/// Decides by what the database knows of the job.
pub(crate) fn fate(known: Option<Epochs>, epoch: u64) -> Fate {
    match known {
        Some(Epochs { live, .. }) if live == Some(epoch) => Fate::Needed,
        Some(Epochs { last, .. }) if epoch <= last => Fate::Lost,
        _ => Fate::Nameless,
    }
}

/// Blobs that no row names, each with when this process first saw it so.
///
/// The age of a blob would not do: what was stored long ago loses its row the moment that an older
/// database is put back.
#[derive(Debug)]
pub(crate) struct Nameless<T>(HashMap<T, Instant>);

impl<T> Default for Nameless<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Copy + Eq + Hash> Nameless<T> {
    /// Takes all that one look found, and tells what every look since `GRACE` ago has found.
    pub(crate) fn found(&mut self, now: Instant, found: Vec<T>) -> Vec<T> {
        let since = found.into_iter().map(|one| (one, *self.0.get(&one).unwrap_or(&now)));
        self.0 = since.collect();
        let old = self.0.iter().filter(|(_, since)| now.duration_since(**since) >= GRACE);
        old.map(|(one, _)| *one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_database_knows_to_be_lost_goes_at_once() {
        let epochs = |last, live| Some(Epochs { last, live });
        for (known, epoch, expected) in [
            (epochs(2, Some(2)), 2, Fate::Needed),
            (epochs(2, Some(2)), 1, Fate::Lost),
            // Done under an epoch, redriven or handed back since.
            (epochs(3, Some(2)), 3, Fate::Lost),
            (epochs(2, None), 2, Fate::Lost),
            (epochs(2, Some(2)), 3, Fate::Nameless),
            (epochs(0, None), 1, Fate::Nameless),
            (None, 1, Fate::Nameless),
        ] {
            assert_eq!(fate(known, epoch), expected, "{known:?} {epoch}");
        }
    }

    #[test]
    fn what_every_look_of_an_hour_found_is_told_and_nothing_else() {
        let (mut nameless, start) = (Nameless::default(), Instant::now());
        let mut found = |minute: u64, names: &str| -> String {
            let now = start + Duration::from_secs(60 * minute);
            nameless.found(now, names.chars().collect()).into_iter().collect()
        };
        assert_eq!(found(0, "ab"), "");
        assert_eq!(found(10, "abc"), "");
        // One that had a row in between is new again.
        assert_eq!(found(50, "ac"), "");
        assert_eq!(found(60, "abc"), "a");
        assert_eq!(found(70, "bc"), "c");
        assert_eq!(found(119, "b"), "");
        assert_eq!(found(120, "b"), "b");
    }
}
