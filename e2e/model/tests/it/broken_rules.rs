//! Each rule of the protocol is needed: without it the checker finds what goes wrong.

use reelfleet_model::*;

const QUIET: Harm = Harm::NONE;

/// The checker finds a way to where `property` does not hold, when these rules are broken and only
/// `harm` goes wrong. Nothing of it is found when they hold: see the other tests.
fn fails(broken: &'static [Rule], harm: Harm, property: &'static str, steps: usize) {
    let config = Config {
        rules: Rules::but(broken),
        worker_of: [0, 1],
        max_attempts: 2,
        messages: 2,
        harm,
        nameless: false,
    };
    let way = find::<1, 2>(config, property);
    let way = way.unwrap_or_else(|| panic!("without {broken:?} it was not noticed"));
    println!("without {broken:?} it is not so that {property}, after {} steps:", way.len());
    way.iter().zip(1..).for_each(|(step, at)| println!("  {at:>2}. {step}"));
    assert_eq!(way.len(), steps, "another way than the one that is meant");
}

#[test]
fn without_the_epoch_an_old_claim_publishes() {
    fails(&[Rule::EpochIsChecked], QUIET, NEWEST_EPOCH, 13);
}

#[test]
fn without_the_state_in_a_claim_a_finished_job_goes_back() {
    fails(&[Rule::ClaimTakesQueued], Harm { messages: true, ..QUIET }, ENDS_STAY, 10);
}

#[test]
fn without_the_lease_in_the_reaper_two_work_at_once() {
    fails(&[Rule::LeaseIsChecked], QUIET, ONE_WORKS, 8);
}

#[test]
fn without_a_reaper_the_job_of_a_dead_worker_never_ends() {
    fails(&[Rule::ReaperRuns], Harm { workers_die: true, ..QUIET }, ALL_ENDS, 5);
}

#[test]
fn without_a_relay_an_upload_whose_api_died_never_ends() {
    fails(&[Rule::RelaySendsDue], Harm { others_die: true, ..QUIET }, ALL_ENDS, 2);
}

#[test]
fn without_a_search_for_lost_messages_a_lost_message_is_a_lost_job() {
    fails(&[Rule::RelayFindsLost], Harm { messages: true, ..QUIET }, ALL_ENDS, 3);
}

#[test]
fn acknowledged_before_the_claim_and_without_a_relay_a_job_is_lost() {
    const BROKEN: &[Rule] = &[Rule::ClaimThenAck, Rule::RelaySendsDue, Rule::RelayFindsLost];
    fails(BROKEN, Harm { workers_die: true, ..QUIET }, ALL_ENDS, 5);
}

#[test]
fn without_a_look_at_the_cancel_a_cancelled_video_is_published() {
    fails(&[Rule::CancelIsChecked], Harm { people: true, ..QUIET }, CANCEL_COUNTS, 9);
}

#[test]
fn without_a_question_before_cleaning_up_published_files_are_removed() {
    fails(&[Rule::CleanUpAsks], Harm { answers: true, ..QUIET }, FILES_THERE, 12);
}

#[test]
fn with_tries_counted_only_when_they_fail_a_job_that_kills_its_workers_never_ends() {
    fails(&[Rule::TriesAreCounted], QUIET, FAILURES_END, 1);
}

/// The relay makes the order of claim and acknowledgement a matter of time, not of loss.
#[test]
fn acknowledged_before_the_claim_with_a_relay_everything_still_ends() {
    let config = Config {
        rules: Rules::but(&[Rule::ClaimThenAck]),
        worker_of: [0, 1],
        max_attempts: 1,
        messages: 2,
        harm: Harm { messages: true, ..Harm::DEATHS },
        nameless: true,
    };
    let checked = check::<1, 2>(config, 2);
    println!("{checked}");
    assert!(checked.broken.is_empty(), "{checked}");
}
