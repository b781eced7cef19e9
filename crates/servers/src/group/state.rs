//! What a group knows, and the rules by which it changes.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    fault::{Fault, MetadataFault},
    life::{Ended, Life, Lifecycle},
};

pub(super) const NAME: &str = "workers";
pub(super) const HOOK: &str = "drain";

/// A call that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `SetInstanceProtection`, with true.
    Protect,
    /// `SetInstanceProtection`, with false.
    Unprotect,
    /// `RecordLifecycleActionHeartbeat`.
    Heartbeat,
    /// `CompleteLifecycleAction`.
    Complete,
    /// `DescribeLifecycleHooks`.
    DescribeHooks,
}

/// A call of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it arrived.
    pub at: Instant,
    /// What it asked for; none: nothing that is known here.
    pub action: Option<Action>,
    /// About which instance.
    pub instance: String,
    /// Whether it was answered with 200. One that was never answered was not.
    pub done: bool,
}

/// Why a call is refused: the code and the message of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) &'static str, pub(super) String);

fn invalid(message: String) -> Refusal {
    Refusal("ValidationError", message)
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) endpoint: String,
    pub(super) life: Life,
    pub(super) protected: bool,
    pub(super) lifecycle: Option<Lifecycle>,
    pub(super) fault: Option<MetadataFault>,
    pub(super) tokens: HashSet<String>,
    pub(super) looks: u64,
    /// Documents that are there, by their path below `meta-data`.
    pub(super) notices: BTreeMap<&'static str, String>,
    joined: Instant,
    closed: Arc<AtomicBool>,
}

impl Record {
    pub(super) fn new(endpoint: String, closed: Arc<AtomicBool>) -> Self {
        Self {
            endpoint,
            life: Life::InService,
            protected: false,
            lifecycle: None,
            fault: None,
            tokens: HashSet::new(),
            looks: 0,
            notices: BTreeMap::new(),
            joined: Instant::now(),
            closed,
        }
    }

    pub(super) fn set_fault(&mut self, fault: Option<MetadataFault>) {
        self.closed.store(fault == Some(MetadataFault::Down), Ordering::SeqCst);
        self.fault = fault;
    }
}

#[derive(Debug)]
pub(crate) struct State {
    pub(super) timeout: Duration,
    pub(super) instances: BTreeMap<String, Record>,
    pub(super) calls: Vec<Call>,
    pub(super) faults: Vec<(Option<Action>, Fault, usize)>,
}

impl State {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, instances: BTreeMap::new(), calls: Vec::new(), faults: Vec::new() }
    }

    /// # Panics
    ///
    /// There is no such instance.
    pub(super) fn record(&mut self, id: &str) -> &mut Record {
        self.instances.get_mut(id).unwrap_or_else(|| panic!("no instance {id}"))
    }

    pub(super) fn terminate(&mut self, id: &str, now: Instant) {
        let timeout = self.timeout;
        let record = self.record(id);
        if record.lifecycle.is_none() {
            record.life = Life::TerminatingWait;
            record.lifecycle = Some(Lifecycle::begin(now, timeout));
        }
    }

    pub(super) fn in_service(&self) -> Vec<String> {
        let mut found: Vec<_> =
            self.instances.iter().filter(|(_, record)| record.life == Life::InService).collect();
        found.sort_by_key(|(_, record)| record.joined);
        found.into_iter().map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn scale_in(&mut self, now: Instant) -> Option<String> {
        let chosen = self.in_service().into_iter().find(|id| !self.instances[id].protected)?;
        self.terminate(&chosen, now);
        Some(chosen)
    }

    /// Ends the waits whose time is over.
    pub(super) fn end_waits(&mut self, now: Instant) {
        for record in self.instances.values_mut() {
            if let Some(wait) = &mut record.lifecycle
                && wait.is_active()
                && now >= wait.deadline
            {
                wait.end(now, Ended::TimedOut);
                record.life = Life::Terminated;
            }
        }
    }

    /// The fault that the next call of this kind meets.
    pub(super) fn next_fault(&mut self, action: Option<Action>) -> Option<Fault> {
        let meets = |of: &Option<Action>| of.is_none() || *of == action;
        let (_, fault, times) =
            self.faults.iter_mut().find(|(of, _, times)| meets(of) && *times > 0)?;
        *times -= 1;
        Some(*fault)
    }

    pub(super) fn protect(&mut self, id: &str, protected: bool) -> Result<(), Refusal> {
        let record = self.known(id)?;
        if !matches!(record.life, Life::InService | Life::Standby) {
            let said = "is not in InService or EnteringStandby or Standby.";
            return Err(invalid(format!("The instance {id} {said}")));
        }
        record.protected = protected;
        Ok(())
    }

    pub(super) fn beat(&mut self, id: &str, now: Instant) -> Result<(), Refusal> {
        self.waiting(id)?.beat(now);
        Ok(())
    }

    pub(super) fn complete(&mut self, id: &str, result: &str, now: Instant) -> Result<(), Refusal> {
        self.waiting(id)?.end(now, Ended::Completed(result.to_owned()));
        self.record(id).life = Life::Terminated;
        Ok(())
    }

    fn known(&mut self, id: &str) -> Result<&mut Record, Refusal> {
        let none =
            || invalid(format!("Instance Id not found - No managed instance found for {id}"));
        self.instances.get_mut(id).ok_or_else(none)
    }

    fn waiting(&mut self, id: &str) -> Result<&mut Lifecycle, Refusal> {
        let none = || invalid(format!("No active Lifecycle Action found with instance ID {id}"));
        let wait = self.instances.get_mut(id).and_then(|record| record.lifecycle.as_mut());
        wait.filter(|wait| wait.is_active()).ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(ids: &[&str]) -> State {
        let mut state = State::new(Duration::from_secs(30));
        for id in ids {
            state.instances.insert((*id).to_owned(), Record::new(String::new(), Arc::default()));
        }
        state
    }

    #[test]
    fn scale_in_passes_protected_instances_by_and_takes_the_oldest() {
        let (mut state, now) = (group(&["i-a", "i-b", "i-c"]), Instant::now());
        state.record("i-a").joined = now;
        state.record("i-b").joined = now - Duration::from_secs(2);
        state.record("i-c").joined = now - Duration::from_secs(1);
        state.protect("i-b", true).unwrap();
        assert_eq!(state.scale_in(now).as_deref(), Some("i-c"));
        assert_eq!(state.scale_in(now).as_deref(), Some("i-a"));
        assert_eq!(state.scale_in(now), None);
        assert_eq!(state.in_service(), ["i-b"]);
        let Err(Refusal("ValidationError", said)) = state.protect("i-c", true) else { panic!() };
        assert!(said.contains("not in InService"), "{said}");
    }

    #[test]
    fn a_wait_ends_once_by_completion_or_by_its_time() {
        let (mut state, now) = (group(&["i-a", "i-b"]), Instant::now());
        assert!(state.complete("i-a", "CONTINUE", now).is_err(), "before there is a wait");
        state.terminate("i-a", now);
        state.terminate("i-b", now);
        state.complete("i-a", "CONTINUE", now).unwrap();
        assert!(state.complete("i-a", "CONTINUE", now).is_err(), "twice");
        state.beat("i-b", now + Duration::from_secs(20)).unwrap();
        state.end_waits(now + Duration::from_secs(49));
        assert_eq!(state.record("i-b").life, Life::TerminatingWait);
        state.end_waits(now + Duration::from_secs(50));
        assert_eq!(state.record("i-b").life, Life::Terminated);
        assert!(state.beat("i-b", now + Duration::from_secs(51)).is_err());
    }
}
