//! The real database under a storm of hundreds of jobs, by fixed seeds. `make model` runs thousands.

use reelfleet_model::{Rule, Rules, Size, Tally, simulate};

const LARGE: Size = Size { jobs: 300, workers: 6, hands: 2, steps: 25 };
const SMALL: Size = Size { jobs: 20, workers: 3, hands: 2, steps: 40 };

/// A1, B2 and B4: on the real database.
#[tokio::test]
async fn hundreds_of_jobs_in_a_storm_all_end_with_one_effect() {
    let mut all = Tally::default();
    for seed in 1..=3 {
        let tally = simulate(seed, LARGE, Rules::default()).await.unwrap();
        println!("seed {seed}: {tally}");
        all += tally;
    }
    assert_eq!(all.done + all.dead + all.cancelled, 3 * u64::from(LARGE.jobs));
    for (count, what) in [
        (all.done, "done"),
        (all.dead, "dead"),
        (all.cancelled, "cancelled"),
        (all.messages_lost, "messages lost"),
        (all.messages_doubled, "messages doubled"),
        (all.duplicates_dropped, "duplicates dropped"),
        (all.workers_died, "workers died"),
        (all.leases_over, "leases over"),
        (all.reaped, "reaped"),
        (all.answers_lost, "answers lost"),
        (all.refused, "refused"),
        (all.redriven, "redriven"),
    ] {
        assert!(count > 0, "no storm: {what} never happened");
    }
}

#[tokio::test]
async fn a_seed_tells_the_same_story_twice() {
    for seed in 1..=5 {
        let once = simulate(seed, SMALL, Rules::default()).await.unwrap();
        assert_eq!(simulate(seed, SMALL, Rules::default()).await.unwrap(), once, "seed {seed}");
    }
}

/// Whether some seed of a few shows that a broken rule is needed, and how it says so.
async fn fails(broken: &'static [Rule], says: &str) {
    for seed in 1..=20 {
        if let Err(error) = simulate(seed, SMALL, Rules::but(broken)).await {
            println!("without {broken:?}: {error}");
            assert!(error.to_string().contains(says), "{error}");
            return;
        }
    }
    panic!("20 seeds did not notice that {broken:?} is broken");
}

#[tokio::test]
async fn without_the_epoch_it_is_noticed() {
    fails(&[Rule::EpochIsChecked], "has other outputs than the published ones").await;
}

#[tokio::test]
async fn without_a_reaper_it_does_not_end() {
    fails(&[Rule::ReaperRuns], "did not end").await;
}

#[tokio::test]
async fn without_a_search_for_lost_messages_it_does_not_end() {
    fails(&[Rule::RelayFindsLost], "did not end").await;
}
