//! A fake Auto Scaling group: its API, and the metadata service of each of its instances.
//!
//! ```text
//! test ─► Group: terminate, scale_in, notices, faults ─► state ◄─ API of Auto Scaling ◄─┐
//!           ▲                                              │                            │ worker
//!           └── lifecycles, protection, every call ────────┴─► metadata of an instance ─┘
//! ```
//!
//! No emulator that can be had holds an instance in `Terminating:Wait`. This one does: heartbeats
//! move the end of the wait, and a completion or its time ends it. Protected instances are not
//! chosen on scale-in. Instances are names here; whoever tests starts a process for each.

mod api;
mod door;
mod fault;
mod life;
mod metadata;
mod notice;
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

pub use fault::{Fault, MetadataFault};
pub use life::{Ended, Life, Lifecycle};
pub use state::{Action, Call};

use self::{
    door::Door,
    state::{Record, State},
};

/// How long a lifecycle hook waits unless a test says otherwise.
const HOOK_TIMEOUT: Duration = Duration::from_secs(120);

type Shared = Arc<Inner>;
type WhenCompleted = Box<dyn Fn(&str) + Send + Sync>;

pub(crate) struct Inner {
    state: Mutex<State>,
    when_completed: Mutex<Option<Arc<WhenCompleted>>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().fmt(f)
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Waits that are over end whenever somebody looks.
        state.end_waits(Instant::now());
        state
    }
}

/// The group.
#[derive(Debug)]
pub struct Group {
    shared: Shared,
    endpoint: String,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

impl Group {
    /// An empty group whose hook waits for two minutes.
    #[must_use]
    pub fn start() -> Self {
        Self::with_hook_timeout(HOOK_TIMEOUT)
    }

    /// An empty group whose hook waits for so long, and for so long again after each heartbeat.
    ///
    /// # Panics
    ///
    /// Nothing can listen on loopback.
    #[must_use]
    pub fn with_hook_timeout(timeout: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let shared = Arc::new(Inner {
            state: Mutex::new(State::new(timeout)),
            when_completed: Mutex::new(None),
        });
        let endpoint = Door::open(&runtime, api::router(Arc::clone(&shared)), None);
        Self { shared, endpoint, runtime: Some(runtime) }
    }

    /// What `AUTO_SCALING_GROUP` is to be.
    #[must_use]
    pub fn name(&self) -> &'static str {
        state::NAME
    }

    /// What `LIFECYCLE_HOOK` is to be.
    #[must_use]
    pub fn hook(&self) -> &'static str {
        state::HOOK
    }

    /// What `AWS_ENDPOINT_URL_AUTO_SCALING` is to be.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What `AWS_EC2_METADATA_SERVICE_ENDPOINT` of an instance is to be. One that is new joins the
    /// group and is in service.
    ///
    /// # Panics
    ///
    /// Nothing can listen on loopback.
    pub fn instance(&self, id: &str) -> String {
        if let Some(record) = self.shared.state().instances.get(id) {
            return record.endpoint.clone();
        }
        let runtime = self.runtime.as_ref().expect("it runs");
        let closed = Arc::default();
        let router = metadata::router(Arc::clone(&self.shared), id);
        let endpoint = Door::open(runtime, router, Some(Arc::clone(&closed)));
        let record = Record::new(endpoint.clone(), closed);
        self.shared.state().instances.insert(id.to_owned(), record);
        endpoint
    }

    /// The group decides to end an instance: it waits for its hook (`Terminating:Wait`). Twice is
    /// once.
    pub fn terminate(&self, id: &str) {
        self.shared.state().terminate(id, Instant::now());
    }

    /// Scales in by one: the oldest instance in service that is not protected, if there is one.
    pub fn scale_in(&self) -> Option<String> {
        self.shared.state().scale_in(Instant::now())
    }

    /// Puts an instance aside, or back into service.
    pub fn set_standby(&self, id: &str, standby: bool) {
        let life = if standby { Life::Standby } else { Life::InService };
        self.shared.state().record(id).life = life;
    }

    /// Calls `then` with the instance's id in the moment in which a completion arrives, before
    /// anybody is told.
    pub fn when_completed(&self, then: impl Fn(&str) + Send + Sync + 'static) {
        let mut slot = self.shared.when_completed.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Arc::new(Box::new(then)));
    }

    /// Where an instance is in its life.
    #[must_use]
    pub fn life(&self, id: &str) -> Life {
        self.shared.state().record(id).life
    }

    /// Instances in service, oldest first.
    #[must_use]
    pub fn in_service(&self) -> Vec<String> {
        self.shared.state().in_service()
    }

    /// Whether scale-in passes an instance by.
    #[must_use]
    pub fn is_protected(&self, id: &str) -> bool {
        self.shared.state().record(id).protected
    }

    /// The wait of an instance that is to end, over or not.
    #[must_use]
    pub fn lifecycle(&self, id: &str) -> Option<Lifecycle> {
        self.shared.state().record(id).lifecycle.clone()
    }

    /// Every call of the API so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// Calls of one kind about one instance.
    #[must_use]
    pub fn calls_of(&self, id: &str, action: Action) -> Vec<Call> {
        let of = |call: &Call| call.instance == id && call.action == Some(action);
        self.calls().into_iter().filter(of).collect()
    }

    /// Requests that an instance's metadata service got so far.
    #[must_use]
    pub fn looks(&self, id: &str) -> u64 {
        self.shared.state().record(id).looks
    }

    /// The next `times` calls fail; of every action, or of one.
    pub fn fail(&self, action: Option<Action>, fault: Fault, times: usize) {
        self.shared.state().faults.push((action, fault, times));
    }

    /// No call fails any more.
    pub fn heal(&self) {
        self.shared.state().faults.clear();
    }

    /// What is wrong with an instance's metadata service from now on; `None`: nothing.
    pub fn fail_metadata(&self, id: &str, fault: Option<MetadataFault>) {
        self.shared.state().record(id).set_fault(fault);
    }

    /// The tokens that an instance's metadata service gave out are not good any more.
    pub fn revoke_tokens(&self, id: &str) {
        self.shared.state().record(id).tokens.clear();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A test that is itself asynchronous must not block while it drops this.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
