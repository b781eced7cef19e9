//! Every state that can be reached at small sizes. `make model` looks at larger ones.

use reelfleet_model::*;

const QUIET: Harm = Harm::NONE;

fn holds<const J: usize, const H: usize>(
    worker_of: [u8; H],
    (max_attempts, messages): (u32, u8),
    harm: Harm,
) -> Checked {
    let rules = Rules::default();
    let config = Config { rules, worker_of, max_attempts, messages, harm, nameless: true };
    let checked = check::<J, H>(config, 2);
    println!("{checked}");
    assert!(checked.broken.is_empty(), "{checked}");
    checked
}

/// A1, B1, B2 and B4: in every order.
#[test]
fn deaths_and_bad_brokers_lose_nothing() {
    let checked = holds::<1, 2>([0, 1], (2, 2), Harm { messages: true, ..Harm::DEATHS });
    assert!(checked.impossible.is_empty(), "{checked}");
}

#[test]
fn lost_answers_double_nothing() {
    let checked = holds::<1, 2>([0, 1], (2, 2), Harm { answers: true, failures: true, ..QUIET });
    assert!(checked.impossible.is_empty(), "{checked}");
}

/// B6 and B23: in every order.
#[test]
fn owners_and_operators_come_between_at_any_time() {
    holds::<1, 2>([0, 1], (2, 1), Harm { people: true, failures: true, ..QUIET });
}

#[test]
fn a_worker_that_claims_anew_what_it_still_winds_up_does_no_harm() {
    holds::<1, 2>([0, 0], (2, 2), Harm { failures: true, ..Harm::DEATHS });
}

#[test]
fn everything_at_once_for_a_job_of_one_try() {
    holds::<1, 2>([0, 1], (1, 1), Harm::ALL);
}

#[test]
fn two_jobs_of_one_hand_do_not_keep_each_other_from_ending() {
    holds::<2, 1>([0], (1, 1), QUIET);
}
