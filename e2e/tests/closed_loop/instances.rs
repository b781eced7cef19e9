//! The instances of the group: launched, booted, ended, each with a real worker.

use std::time::{Duration, Instant};

use reelfleet_e2e::{
    Early,
    stage::{Stage, held_by},
    worker::Worker,
};
use reelfleet_servers::group::{self, Life};
use rustix::process::Signal;

/// From the end of its lifecycle until its process has ended.
const LAST_BREATH: Duration = Duration::from_secs(30);

/// What an instance that the group ended came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) instance: String,
    /// None: it had to be killed, with its instance.
    pub(crate) code: Option<i32>,
}

/// How the group shrank.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    /// Moments at which one had to go, and how many of them passed by one that was protected, and
    /// one that held a job.
    pub(crate) made: usize,
    pub(crate) passed_protected: usize,
    pub(crate) passed_busy: usize,
    /// Instances that were chosen while they held a job.
    pub(crate) chosen_busy: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Instances {
    settings: Vec<(&'static str, String)>,
    boot: Duration,
    booting: Vec<Instant>,
    pub(crate) serving: Vec<Worker>,
    pub(crate) leaving: Vec<Worker>,
    pub(crate) ended: Vec<Ended>,
    /// Most that were there at a time, those that leave not counted.
    pub(crate) most: usize,
    pub(crate) launched: usize,
    pub(crate) tries: Tries,
    pub(crate) early: Early,
}

impl Instances {
    /// None yet. Each will boot for so long, and its worker will have these settings.
    pub(crate) fn new(stage: &Stage, boot: Duration, settings: &[(&'static str, String)]) -> Self {
        Self {
            settings: settings.to_vec(),
            boot,
            booting: Vec::new(),
            serving: Vec::new(),
            leaving: Vec::new(),
            ended: Vec::new(),
            most: 0,
            launched: 0,
            tries: Tries::default(),
            early: Early::watch(stage),
        }
    }

    pub(crate) fn booting(&self) -> usize {
        self.booting.len()
    }

    /// One that has booted.
    pub(crate) fn start(&mut self, stage: &Stage) {
        self.launched += 1;
        let instance = format!("i-{}", self.launched);
        let settings: Vec<_> =
            self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let worker = stage.worker(&instance, &settings);
        self.early.started(&worker);
        self.serving.push(worker);
        self.count();
    }

    /// Launches what is missing, and starts what has booted: how many.
    pub(crate) fn grow(&mut self, stage: &Stage, desired: u32) -> usize {
        while self.serving.len() + self.booting.len() < desired as usize {
            self.booting.push(Instant::now());
        }
        self.count();
        let all = self.booting.len();
        self.booting.retain(|launched| launched.elapsed() < self.boot);
        let booted = all - self.booting.len();
        (0..booted).for_each(|_| self.start(stage));
        booted
    }

    /// Ends as many as there are too many. Those that boot go first; a protected one is passed by,
    /// and its turn comes when it is not protected any more.
    pub(crate) fn shrink(&mut self, stage: &Stage, desired: u32) {
        let desired = desired as usize;
        self.booting.truncate(desired.saturating_sub(self.serving.len()));
        while self.serving.len() > desired {
            let passed: Vec<_> =
                self.serving.iter().filter(|one| stage.group.is_protected(&one.instance)).collect();
            self.tries.made += 1;
            self.tries.passed_protected += usize::from(!passed.is_empty());
            self.tries.passed_busy += usize::from(passed.iter().any(|one| stage.runs(one)));
            let Some(chosen) = stage.group.scale_in() else { return };
            let at = self.serving.iter().position(|one| one.instance == chosen).unwrap();
            let worker = self.serving.remove(at);
            let held = held_by(&stage.client, &worker.id);
            if !held.is_empty() {
                self.tries.chosen_busy.push(format!("{chosen}: {held:?}"));
            }
            self.leaving.push(worker);
        }
    }

    /// Takes note of those that have gone. Nobody else may end.
    pub(crate) fn look(&mut self, stage: &Stage) {
        for worker in &mut self.serving {
            assert_eq!(worker.ended(), None, "{}: nobody told it to", worker.instance);
        }
        let ended = &mut self.ended;
        self.leaving.retain_mut(|worker| {
            let instance = worker.instance.clone();
            let code = worker.ended();
            let wait = stage.group.lifecycle(&instance).unwrap();
            if let Some(code) = code {
                ended.push(Ended { instance, code });
                return false;
            }
            let Some((at, how)) = wait.ended else { return true };
            // EC2 ends the machine now. A worker that has completed has nothing left to do; of one
            // that was not ready in time nothing stays.
            if how == group::Ended::TimedOut {
                worker.signal_everything(Signal::KILL);
            }
            assert!(at.elapsed() < LAST_BREATH, "{instance} stays after {how:?}");
            true
        });
    }

    /// Whether nothing is on its way in or out.
    pub(crate) fn at_rest(&self, desired: u32) -> bool {
        self.booting.is_empty() && self.leaving.is_empty() && self.serving.len() == desired as usize
    }

    /// Instances that the group has not seen the end of.
    pub(crate) fn not_over(&self, stage: &Stage) -> Vec<String> {
        let gone = self.ended.iter().map(|ended| &ended.instance);
        gone.filter(|id| stage.group.life(id) != Life::Terminated).cloned().collect()
    }

    fn count(&mut self) {
        self.most = self.most.max(self.serving.len() + self.booting.len());
    }
}
