//! Runs the checker and says what it found.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use stateright::{Checker, HasDiscoveries, Model};

use crate::{Action, Config, Protocol, world::World};

/// What the checker found.
#[derive(Debug)]
pub struct Checked {
    /// What was looked at.
    pub what: String,
    /// Different states.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// Time it took.
    pub took: Duration,
    /// Each property that does not hold, with the way to where it does not.
    pub broken: BTreeMap<&'static str, Vec<String>>,
    /// What should be possible, and is not.
    pub impossible: Vec<&'static str>,
}

/// Looks at every state that can be reached, or stops at the first that should not be.
#[must_use]
pub fn check<const J: usize, const H: usize>(config: Config<H>, threads: usize) -> Checked {
    let began = Instant::now();
    let checker = Protocol::<J, H>::new(config)
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let mut discoveries = checker.discoveries();
    let (mut broken, mut impossible) = (BTreeMap::new(), Vec::new());
    for property in checker.model().properties() {
        match (property.expectation.discovery_is_failure(), discoveries.remove(property.name)) {
            (true, Some(path)) => {
                broken.insert(property.name, story(&config, path.into_vec()));
            }
            (false, None) => impossible.push(property.name),
            _ => {}
        }
    }
    let workers = config.worker_of.iter().max().map_or(0, |last| last + 1);
    Checked {
        what: format!(
            "jobs {J}, workers {workers}, hands {H}, tries {}, messages of a job {}",
            config.max_attempts, config.messages
        ),
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        took: began.elapsed(),
        broken,
        impossible,
    }
}

/// The shortest way to where `property` does not hold.
#[must_use]
pub fn find<const J: usize, const H: usize>(
    config: Config<H>,
    property: &'static str,
) -> Option<Vec<String>> {
    // The checker looks on a little after it has found something, and tells what it found last.
    // Looking no further than that makes it the shortest.
    let look = |depth: Option<usize>| {
        let checker = Protocol::<J, H>::new(config)
            .checker()
            .target_max_depth(depth.unwrap_or_default())
            .finish_when(HasDiscoveries::AllOf([property].into()))
            .spawn_bfs()
            .join();
        let way = checker.discoveries().remove(property);
        way.map(|way| story(&config, way.into_vec()))
    };
    let mut found = look(None)?;
    // Ways with fewer steps only.
    while let Some(shorter) = look(Some(found.len() + 1)) {
        found = shorter;
    }
    Some(found)
}

/// A way in words: each step, and what a hand asks in it.
fn story<const J: usize, const H: usize>(
    config: &Config<H>,
    path: Vec<(World<J, H>, Option<Action>)>,
) -> Vec<String> {
    let words = |(world, action): (World<J, H>, Option<Action>)| {
        let action = action?;
        let (Action::Ask { hand } | Action::AnswerLost { hand }) = action else {
            return Some(format!("{action:?}"));
        };
        let this = world.hands[hand];
        let call = this.call(config.worker_of[hand], 0, 1);
        let call = call.map(|call| format!("{call:?}")).unwrap_or_default();
        let lost =
            if matches!(action, Action::Ask { .. }) { "" } else { ", and the answer is lost" };
        Some(format!("hand {hand} asks for job {}: {call}{lost}", this.job))
    };
    path.into_iter().filter_map(words).collect()
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, states, steps, took, .. } = self;
        let took = took.as_secs_f64();
        write!(f, "{what}: {states} states, {steps} steps, {took:.1} s")?;
        for (property, story) in &self.broken {
            write!(f, "\nNOT SO after {} steps: {property}", story.len())?;
            for (at, step) in story.iter().enumerate() {
                write!(f, "\n  {:>2}. {step}", at + 1)?;
            }
        }
        for property in &self.impossible {
            write!(f, "\nNEVER: {property}")?;
        }
        Ok(())
    }
}
