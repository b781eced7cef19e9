//! The seam against the fake group: what is told to whom, in which order, and what faults cost.

use std::time::Duration;

use reelfleet_runtime::Vars;
use reelfleet_servers::group::{Action, Ended, Fault, Group, MetadataFault};
use tokio::time::{Instant, timeout};

use super::*;

const DRAIN: Duration = Duration::from_secs(60);

/// The completion is longer than some calls that are never answered.
const BOUNDS: Bounds = Bounds {
    grace: Duration::from_secs(2),
    complete: Duration::from_secs(12),
    wait_begins: Duration::from_secs(2),
};

/// For what takes milliseconds, or one look of the watch, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// For work that no fault may hold up: one bounded call each of the metadata and of the group.
const NO_DELAY: Duration = Duration::from_secs(15);

/// An instance of a group, which its worker has not arrived on.
pub(crate) fn on(group: &Group, id: &str) -> Instance {
    let metadata = group.instance(id);
    let mut vars = Vars::of([
        ("AUTO_SCALING_GROUP", group.name()),
        ("LIFECYCLE_HOOK", group.hook()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_AUTO_SCALING", group.endpoint()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]);
    let config = InstanceConfig::from_vars(&mut vars, DRAIN);
    vars.finish().unwrap();
    Instance::of(config.map(|config| InstanceConfig { bounds: BOUNDS, ..config }), Clock::system())
}

async fn arrived(group: &Group, id: &str) -> (Instance, Shutdown) {
    let (instance, shutdown) = (on(group, id), Shutdown::new());
    assert_eq!(instance.arrive(&shutdown).await, None);
    (instance, shutdown)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let by = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < by, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Tries each of several faults, all at once: most of the time they wait.
async fn each<T, F>(faults: impl IntoIterator<Item = T>, mut meets: impl FnMut(T) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tries = tokio::task::JoinSet::new();
    for fault in faults {
        tries.spawn(meets(fault));
    }
    tries.join_all().await;
}

fn done(group: &Group, id: &str, action: Action) -> usize {
    group.calls_of(id, action).iter().filter(|call| call.done).count()
}

#[tokio::test]
async fn without_a_group_nothing_is_asked_and_nothing_waits() {
    let (instance, shutdown) = (Instance::none(), Shutdown::new());
    assert_eq!(instance.arrive(&shutdown).await, None);
    instance.may_take(&shutdown).await;
    assert!(instance.admit(&shutdown).await.is_some());
    assert_eq!((instance.hand_back_by(), instance.depart().await), (None, Left::Told));
}

/// C5: told twice, and others are told to leave, too.
#[tokio::test]
async fn an_instance_that_the_group_ends_drains_beats_and_completes_once() {
    let group = Group::start();
    let (other, others) = arrived(&group, "i-other").await;
    let (instance, shutdown) = arrived(&group, "i-1").await;
    let told = Instant::now();
    group.terminate("i-1");
    group.terminate("i-1");
    timeout(SOON, shutdown.drain().cancelled()).await.expect("it drains");
    let by = instance.hand_back_by().expect("it has a bound");
    assert!(by >= told + DRAIN && by <= Instant::now() + DRAIN);
    until("a heartbeat", || done(&group, "i-1", Action::Heartbeat) > 0).await;
    let looks = group.looks("i-1");
    until("it to look again", || group.looks("i-1") > looks + 6).await;
    assert_eq!(instance.hand_back_by(), Some(by), "to be told again is no more time");
    assert_eq!(done(&group, "i-1", Action::Complete), 0, "while it still drains");
    assert_eq!(instance.depart().await, Left::Terminated);
    let wait = group.lifecycle("i-1").unwrap();
    assert_eq!(wait.ended.map(|(_, how)| how), Some(Ended::Completed("CONTINUE".to_owned())));
    let calls = group.calls();
    assert_eq!(calls.iter().filter(|call| call.action == Some(Action::Complete)).count(), 1);
    let last = calls.iter().rfind(|call| call.instance == "i-1").unwrap();
    assert_eq!(last.action, Some(Action::Complete), "nothing comes after it");
    let beats = instance.0.as_ref().unwrap().tasks().beating.is_some();
    assert!(!beats, "nothing will");
    assert!(!others.is_draining(), "another instance was meant");
    assert_eq!(other.depart().await, Left::Told);
    assert_eq!(done(&group, "i-other", Action::Complete), 0);
}

/// C5: by a clock of its own.
#[tokio::test]
async fn a_completion_that_fails_is_tried_again_until_it_is_done_once() {
    each(
        [
            Fault::Throttled,
            Fault::ServerError,
            Fault::AnswerLost,
            Fault::Silent,
            Fault::Slow(Duration::from_millis(500)),
        ],
        |fault| async move {
            let group = Group::start();
            let (instance, shutdown) = arrived(&group, "i-1").await;
            group.fail(Some(Action::Complete), fault, 2);
            group.fail(Some(Action::Heartbeat), Fault::Throttled, 2);
            group.terminate("i-1");
            timeout(SOON, shutdown.drain().cancelled()).await.expect("it drains");
            // A second signal ends everything else.
            shutdown.start_abort();
            assert_eq!(instance.depart().await, Left::Terminated, "{fault:?}");
            let wait = group.lifecycle("i-1").unwrap();
            let how = wait.ended.map(|(_, how)| how);
            assert_eq!(how, Some(Ended::Completed("CONTINUE".to_owned())), "{fault:?}");
            assert!(done(&group, "i-1", Action::Complete) <= 1, "{fault:?}");
        },
    )
    .await;
}

/// C5: whoever keeps the worker running starts it again then, and it tries again.
#[tokio::test]
async fn a_completion_that_is_refused_to_the_end_is_told_and_has_a_bound() {
    let group = Group::start();
    let (instance, _shutdown) = arrived(&group, "i-1").await;
    group.fail(Some(Action::Complete), Fault::Denied, usize::MAX);
    group.terminate("i-1");
    let began = Instant::now();
    assert_eq!(instance.depart().await, Left::Untold);
    assert!(began.elapsed() < 2 * BOUNDS.complete, "{:?}", began.elapsed());
    group.heal();
    let again = on(&group, "i-1");
    assert_eq!(again.arrive(&Shutdown::new()).await, Some(Left::Terminated));
    assert_eq!(done(&group, "i-1", Action::Complete), 1);
    // And once more, for nothing: there is no wait any more, and that means done.
    let again = on(&group, "i-1");
    assert_eq!(again.arrive(&Shutdown::new()).await, Some(Left::Terminated));
    assert_eq!(done(&group, "i-1", Action::Complete), 1);
}

/// C5: a signal came first, and the group decides while the worker still leaves.
#[tokio::test]
async fn a_worker_told_to_leave_completes_nothing_unless_the_group_ends_its_instance() {
    let group = Group::start();
    let (instance, shutdown) = arrived(&group, "i-1").await;
    let pass = instance.admit(&shutdown).await;
    assert!(group.is_protected("i-1"));
    shutdown.start_drain();
    drop(pass);
    assert_eq!(instance.depart().await, Left::Told);
    assert_eq!(group.calls_of("i-1", Action::Complete), []);
    assert!(!group.is_protected("i-1"), "who leaves protects nothing");
    let (instance, shutdown) = arrived(&group, "i-2").await;
    shutdown.start_drain();
    group.terminate("i-2");
    assert_eq!(instance.depart().await, Left::Terminated);
    assert_eq!(done(&group, "i-2", Action::Complete), 1);
}

/// C6.
#[tokio::test]
async fn a_notice_of_spot_bounds_the_drain_and_whoever_comes_after_waits_for_the_end() {
    let group = Group::start();
    let (instance, shutdown) = arrived(&group, "i-1").await;
    group.notice_spot("i-1", Duration::from_secs(60));
    timeout(SOON, shutdown.drain().cancelled()).await.expect("it drains");
    let by = instance.hand_back_by().unwrap();
    assert!(by <= Instant::now() + Duration::from_secs(36), "60 s less 25 s");
    // The hook, too: the shorter of the two holds.
    group.terminate("i-1");
    until("a heartbeat", || done(&group, "i-1", Action::Heartbeat) > 0).await;
    assert!(instance.hand_back_by().unwrap() <= by);
    assert_eq!(instance.depart().await, Left::Terminated);

    let (instance, shutdown) = arrived(&group, "i-2").await;
    group.notice_spot("i-2", Duration::from_secs(60));
    timeout(SOON, shutdown.drain().cancelled()).await.expect("it drains");
    assert_eq!(instance.depart().await, Left::Spot);
    assert_eq!(group.calls_of("i-2", Action::Complete), []);
    let again = on(&group, "i-2");
    let shutdown = Shutdown::new();
    let arriving = tokio::spawn(async move { again.arrive(&shutdown).await });
    let looks = group.looks("i-2");
    until("it to look again", || group.looks("i-2") > looks + 10).await;
    assert!(!arriving.is_finished(), "it takes nothing, and does not end");
    group.terminate("i-2");
    assert_eq!(timeout(SOON, arriving).await.unwrap().unwrap(), Some(Left::Terminated));
    assert_eq!(done(&group, "i-2", Action::Complete), 1);
}

#[tokio::test]
async fn a_recommendation_makes_a_worker_leave_once_and_not_again_and_again() {
    let group = Group::start();
    let (instance, shutdown) = arrived(&group, "i-1").await;
    group.recommend_rebalance("i-1", Duration::from_secs(1));
    timeout(SOON, shutdown.drain().cancelled()).await.expect("it drains");
    assert_eq!(instance.depart().await, Left::Rebalance);
    // The group does not replace it: after ten minutes it works.
    group.recommend_rebalance("i-1", Duration::from_secs(601));
    let (_instance, shutdown) = arrived(&group, "i-1").await;
    let looks = group.looks("i-1");
    until("it to look again", || group.looks("i-1") > looks + 10).await;
    assert!(!shutdown.is_draining());
}

/// C8: between the protection and the claim.
#[tokio::test]
async fn a_claim_is_refused_once_the_group_wants_the_instance_elsewhere() {
    let group = Group::start();
    let (instance, shutdown) = arrived(&group, "i-1").await;
    group.fail(Some(Action::Protect), Fault::Slow(Duration::from_secs(1)), 1);
    let (claim, decided) = tokio::join!(instance.admit(&shutdown), async {
        until("the call", || !group.calls_of("i-1", Action::Protect).is_empty()).await;
        group.scale_in()
    });
    assert_eq!(decided.as_deref(), Some("i-1"), "it was not protected yet");
    assert!(claim.is_none() && shutdown.is_draining());
    assert_eq!(instance.depart().await, Left::Terminated);

    let (instance, shutdown) = arrived(&group, "i-2").await;
    let pass = instance.admit(&shutdown).await;
    assert!(pass.is_some());
    assert_eq!(group.scale_in(), None, "a protected instance is not chosen");
    group.set_standby("i-2", true);
    assert!(instance.admit(&shutdown).await.is_none());
    let waiting = timeout(Duration::from_millis(300), instance.may_take(&shutdown)).await;
    assert!(waiting.is_err(), "nothing is received meanwhile");
    group.set_standby("i-2", false);
    timeout(SOON, instance.may_take(&shutdown)).await.expect("it goes on");
    assert!(instance.admit(&shutdown).await.is_some());
    assert!(!shutdown.is_draining(), "aside is not away");
}

/// C7.
#[tokio::test]
async fn a_protection_that_fails_holds_up_no_claim_and_is_set_when_it_can_be() {
    each(
        [Fault::ServerError, Fault::Throttled, Fault::Denied, Fault::Silent],
        |fault| async move {
            let group = Group::start();
            let (instance, shutdown) = arrived(&group, "i-1").await;
            group.fail(None, fault, usize::MAX);
            let began = Instant::now();
            let mut passes = Vec::new();
            for _ in 0..20 {
                passes.push(instance.admit(&shutdown).await.expect("jobs go on"));
            }
            assert!(began.elapsed() < NO_DELAY, "{fault:?}: {:?}", began.elapsed());
            let calls = group.calls().len();
            assert!(calls < 10, "{fault:?}: {calls} calls for 20 claims");
            group.heal();
            until("the protection", || group.is_protected("i-1")).await;
        },
    )
    .await;
}

/// C7: it crashed while its instance was protected.
#[tokio::test]
async fn what_a_crashed_worker_left_protected_is_released_by_the_next_one() {
    let group = Group::start();
    let (instance, shutdown) = arrived(&group, "i-1").await;
    let pass = instance.admit(&shutdown).await;
    assert!(group.is_protected("i-1") && pass.is_some());
    std::mem::forget(pass);
    // Its tasks are gone as if killed: nobody takes the protection off.
    instance.0.as_ref().unwrap().say_nothing();
    let (_next, _shutdown) = arrived(&group, "i-1").await;
    until("the protection to go", || !group.is_protected("i-1")).await;
}

/// C7: the protection stays for a while, so that a stream of jobs costs two calls and not two each.
#[tokio::test]
async fn one_job_after_the_other_is_one_protection() {
    let group = Group::start();
    let (instance, shutdown) = arrived(&group, "i-1").await;
    until("the first look", || done(&group, "i-1", Action::Unprotect) == 1).await;
    for _ in 0..50 {
        drop(instance.admit(&shutdown).await.expect("jobs go on"));
        // Long enough for whoever thinks that the instance is idle now.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(done(&group, "i-1", Action::Protect), 1);
    assert!(group.is_protected("i-1"));
    until("the idle instance to be released", || !group.is_protected("i-1")).await;
    assert_eq!(done(&group, "i-1", Action::Unprotect), 2);
}

/// C6: whatever is wrong with the metadata costs one bounded look, and what they say once they
/// answer again counts.
#[tokio::test]
async fn metadata_that_fail_hold_up_nothing_and_are_heard_when_they_are_back() {
    each(
        [
            MetadataFault::Down,
            MetadataFault::Unauthorized,
            MetadataFault::NoToken,
            MetadataFault::ServerError,
            MetadataFault::Silent,
            MetadataFault::Slow(Duration::from_secs(5)),
            MetadataFault::Garbled,
        ],
        |fault| async move {
            // From the start on.
            let group = Group::start();
            group.instance("i-1");
            group.fail_metadata("i-1", Some(fault));
            let began = Instant::now();
            let (instance, shutdown) = arrived(&group, "i-1").await;
            assert!(instance.admit(&shutdown).await.is_some(), "{fault:?}");
            // And later.
            let (other, others) = arrived(&group, "i-2").await;
            group.fail_metadata("i-2", Some(fault));
            for _ in 0..20 {
                assert!(other.admit(&others).await.is_some(), "{fault:?}");
            }
            assert!(began.elapsed() < NO_DELAY, "{fault:?}: {:?}", began.elapsed());
            assert!(!shutdown.is_draining() && !others.is_draining(), "{fault:?}");
            for id in ["i-1", "i-2"] {
                group.fail_metadata(id, None);
                group.terminate(id);
            }
            timeout(SOON, shutdown.drain().cancelled()).await.expect("it hears of it");
            timeout(SOON, others.drain().cancelled()).await.expect("it hears of it");
            assert_eq!(instance.depart().await, Left::Terminated, "{fault:?}");
            assert_eq!(other.depart().await, Left::Terminated, "{fault:?}");
        },
    )
    .await;
}

/// C6: a token that is not good any more.
#[tokio::test]
async fn a_token_that_was_revoked_costs_one_more_request_and_no_look() {
    let group = Group::start();
    let (instance, shutdown) = arrived(&group, "i-1").await;
    group.revoke_tokens("i-1");
    group.set_standby("i-1", true);
    assert!(instance.admit(&shutdown).await.is_none(), "it was asked for and answered");
}

/// A name that nothing resolves has the same end as no instance metadata at all.
#[tokio::test]
async fn on_a_machine_that_is_no_instance_work_goes_on() {
    let group = Group::start();
    let mut config = InstanceConfig::from_vars(
        &mut Vars::of([("AUTO_SCALING_GROUP", group.name()), ("AWS_REGION", "us-east-1")]),
        DRAIN,
    );
    if let Some(config) = &mut config {
        config.endpoint = Some(group.endpoint().to_owned());
        config.metadata = Some("http://127.0.0.1:9".to_owned());
    }
    let (instance, shutdown) = (Instance::of(config, Clock::system()), Shutdown::new());
    assert_eq!(instance.arrive(&shutdown).await, None);
    assert!(instance.admit(&shutdown).await.is_some());
    shutdown.start_drain();
    assert_eq!(instance.depart().await, Left::Told);
    assert_eq!(group.calls(), []);
}
