//! What every database must do, whatever it is.

pub(crate) mod claims;
pub(crate) mod duties;
pub(crate) mod fleet;
pub(crate) mod next;
pub(crate) mod operators;
pub(crate) mod owners;
pub(crate) mod relay;
pub(crate) mod rolling;
pub(crate) mod wider;
pub(crate) mod work;

use std::time::Duration;

use reelfleet_db::{
    Claimed, Db, File, Finished, NewJob, NewUser, NewVideo, Role, Submitted, Video,
};
use reelfleet_job::{JobId, Payload, Priority, RetryPolicy, UserId, VideoId, WorkerId};

/// The suite's own text, so that a forgotten test is noticed.
pub(crate) const SOURCES: [&str; 8] = [
    include_str!("claims.rs"),
    include_str!("duties.rs"),
    include_str!("fleet.rs"),
    include_str!("next.rs"),
    include_str!("operators.rs"),
    include_str!("owners.rs"),
    include_str!("relay.rs"),
    include_str!("work.rs"),
];

pub(crate) const LEASE: Duration = Duration::from_secs(600);

pub(crate) async fn user(db: &Db, email: &str) -> UserId {
    let new =
        NewUser { email: email.to_owned(), password_hash: "hash".to_owned(), role: Role::User };
    db.create_user(&new).await.unwrap().id
}

pub(crate) fn new_video(owner: UserId) -> NewVideo {
    NewVideo {
        id: VideoId::generate(),
        owner,
        title: "holiday".to_owned(),
        profile: "web".to_owned(),
        priority: Priority::Normal,
        source_bytes: 10,
        source_duration: None,
        idempotency_key: None,
        fingerprint: "f".to_owned(),
        max_attempts: 3,
    }
}

pub(crate) async fn submit(db: &Db, new: &NewVideo) -> Video {
    match db.submit_video(new).await.unwrap() {
        Submitted::New(video) => *video,
        other => panic!("expected a new video, got {other:?}"),
    }
}

/// Jobs that do nothing.
pub(crate) fn noops(owner: UserId, count: usize) -> Vec<NewJob> {
    let new = |_| NewJob {
        id: JobId::generate(),
        payload: Payload::Noop,
        priority: Priority::Low,
        owner,
        max_attempts: 3,
    };
    (0..count).map(new).collect()
}

/// A user with one queued video.
pub(crate) async fn queued(db: &Db) -> Video {
    let owner = user(db, "owner@example.com").await;
    submit(db, &new_video(owner)).await
}

pub(crate) async fn claim(db: &Db, video: &Video) -> (WorkerId, Claimed) {
    let worker = WorkerId::generate();
    (worker, db.claim(video.job, worker, LEASE).await.unwrap().expect("a queued job"))
}

pub(crate) fn finished(video: &Video) -> Finished {
    let file = |name: &str, kind: &str| File {
        name: name.to_owned(),
        kind: kind.to_owned(),
        content_type: "video/mp4".to_owned(),
        bytes: 7,
    };
    Finished {
        video: video.id,
        duration_s: 1.5,
        width: 640,
        height: 360,
        files: vec![file("video.mp4", "video"), file("hls/0.m4s", "segment")],
    }
}

/// Reaps until something is freed: a lease of no length runs out with the next millisecond.
pub(crate) async fn reap_until_something(db: &Db) -> reelfleet_db::Reaped {
    loop {
        let reaped = db.reap(&RetryPolicy::default()).await.unwrap();
        if reaped != reelfleet_db::Reaped::default() {
            return reaped;
        }
        tokio::task::yield_now().await;
    }
}

/// The migrations as they were at first.
pub(crate) fn first_of(all: &sqlx::migrate::Migrator) -> sqlx::migrate::Migrator {
    sqlx::migrate::Migrator::with_migrations(all.iter().take(1).cloned().collect())
}

/// What a database of the first version must come through. `run` runs a statement beside our back,
/// as this version's own calls write what the first one had no place for.
pub(crate) async fn brought_up(db: &Db, run: impl AsyncFn(String)) {
    let owner = user(db, "ann@example.com").await;
    let (job, video) = (JobId::generate(), VideoId::generate());
    let payload = Payload::Transcode { video, profile: "web".to_owned() };
    let payload = serde_json::to_string(&payload).unwrap();
    run(format!(
        "INSERT INTO jobs (id, kind, payload, priority, state, owner, run_at, max_attempts, created_at)
         VALUES ('{job}', 'transcode', '{payload}', 'normal', 'queued', '{owner}', 1, 3, 1)"
    ))
    .await;
    run(format!(
        "INSERT INTO videos (id, owner, job, title, profile, source_bytes, fingerprint, created_at)
         VALUES ('{video}', '{owner}', '{job}', 'holiday', 'web', 10, 'f', 1)"
    ))
    .await;
    let said = db.check().await.unwrap_err().to_string();
    assert!(said.contains("it has had 1 of"), "{said}");
    db.migrate().await.unwrap();
    db.check().await.unwrap();
    let kept = db.video(owner, video).await.unwrap().unwrap();
    assert_eq!((kept.source_bytes, kept.source_duration), (10, None));
    assert_eq!(db.work(LEASE).await.unwrap().waiting_jobs(), 1);
    assert!(db.take_turn("publish", LEASE).await.unwrap().is_some());
}

/// Moves the last period of `publish` by so many milliseconds, as a clock would that was wrong when it was taken.
const MOVE: &str = "UPDATE turns SET slot = slot + 60000 WHERE duty = 'publish'";
const MOVE_FAR: &str = "UPDATE turns SET slot = slot + 7200000 WHERE duty = 'publish'";

/// C9: clocks that are set back. `moved` runs a statement beside our back.
pub(crate) async fn clock_set_back(db: &Db, moved: impl AsyncFn(&'static str)) {
    let period = Duration::from_millis(1);
    assert!(db.take_turn("publish", period).await.unwrap().is_some());
    moved(MOVE).await;
    for _ in 0..20 {
        assert_eq!(db.take_turn("publish", period).await.unwrap(), None, "had been taken");
    }
    moved(MOVE_FAR).await;
    assert!(db.take_turn("publish", period).await.unwrap().is_some(), "waits for two hours");
}

/// A fleet that has had nothing to do since. `moved` runs a statement beside our back.
pub(crate) async fn failures_grow_old(db: &Db, moved: impl AsyncFn(&'static str)) {
    let video = queued(db).await;
    work::fails(db, video.job).await;
    moved("UPDATE attempts SET ended_at = ended_at - 800000").await;
    assert_eq!(work::failing(db).await, 1);
    moved("UPDATE attempts SET ended_at = ended_at - 100000").await;
    assert_eq!(work::failing(db).await, 0);
}

/// Runs every test of the suite on a database of its own, which `$fresh` makes along with what
/// must outlive it.
macro_rules! conforms {
    ($fresh:path) => {
        $crate::suite::each! {
            $fresh,
            claims::a_claim_counts_an_attempt_and_raises_the_epoch,
            claims::of_many_claims_at_once_one_wins,
            claims::only_the_current_epoch_has_effects,
            claims::a_job_handed_back_is_not_charged,
            claims::a_retry_waits_until_it_is_due,
            claims::a_job_that_waits_for_its_next_try_can_be_cancelled_until_it_is_claimed,
            claims::a_lease_that_ran_out_frees_the_job_until_no_attempt_is_left,
            claims::a_dead_workers_jobs_are_freed_without_waiting_for_the_lease,
            claims::a_beat_renews_the_lease_and_tells_of_a_cancel,
            claims::a_job_that_nobody_cancelled_cannot_be_closed_as_cancelled,
            claims::a_cancelled_job_cannot_be_published,
            claims::many_jobs_are_claimed_and_closed_in_one_go,
            next::messages_are_taken_and_their_jobs_claimed_in_one_go,
            next::a_released_message_is_taken_however_many_came_after_it,
            next::a_job_is_claimed_once_by_whichever_way,
            relay::jobs_are_recorded_with_their_messages_or_without,
            relay::a_due_job_without_a_message_is_taken_once,
            relay::a_message_in_hand_is_hidden_and_an_old_receipt_does_nothing,
            relay::a_second_message_for_a_job_is_the_same_message,
            relay::a_message_that_waits_in_a_long_queue_is_not_lost,
            relay::a_letter_that_was_sent_before_and_not_seen_is_to_be_sent_again,
            duties::of_many_who_offer_one_has_the_duty,
            duties::a_duty_is_kept_left_and_taken_over_with_the_next_epoch,
            duties::a_period_is_taken_once_by_whoever_asks_first,
            fleet::a_fleet_has_one_id_however_many_ask_first,
            owners::a_repeated_upload_is_one_video,
            owners::another_owner_sees_nothing,
            owners::a_deleted_video_is_gone_and_its_blobs_can_be_collected,
            owners::pages_cover_every_video_once,
            owners::a_sign_in_link_works_once,
            owners::an_address_is_taken_whatever_its_case,
            owners::another_password_voids_tokens_and_links_and_a_renewed_hash_does_not,
            owners::who_signed_in_before_another_password_changes_makes_and_sees_nothing,
            owners::an_account_is_taken_over_with_everything_that_opened_it,
            operators::a_dead_job_can_be_redriven_or_discarded_and_nothing_else_can,
            operators::a_discarded_job_says_who_discarded_it_and_its_video_fails_no_more,
            operators::the_backlog_counts_what_is_unfinished,
            operators::a_jobs_history_tells_what_each_claim_came_to,
            operators::outputs_are_needed_only_of_the_live_epoch,
            work::the_work_is_told_with_what_waits_runs_and_was_done,
            work::a_long_queue_is_told_in_a_few_groups_that_miss_nothing,
            work::jobs_fail_by_a_fault_of_ours_until_one_is_done,
            work::only_workers_that_take_jobs_and_were_heard_of_have_slots,
        }
    };
}

macro_rules! each {
    ($fresh:path, $($module:ident::$name:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (_place, db) = $fresh().await;
                $crate::suite::$module::$name(db).await;
            }
        )*

        #[test]
        fn every_test_of_the_suite_is_listed() {
            let listed = [$(stringify!($name)),*].len();
            let written = $crate::suite::SOURCES
                .iter()
                .map(|source| source.matches("\npub(crate) async fn ").count())
                .sum::<usize>();
            assert_eq!(listed, written);
        }
    };
}
pub(crate) use {conforms, each};
