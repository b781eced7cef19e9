//! The loop closed: real workers in a group that follows the template's own policy, quickened.
//!
//! ```text
//! template ─► numbers ─► policy (the model of crates/scaling)
//!                           ▲              │ desired
//! API or CloudWatch ─► metric          instances ─► Worker: `reelfleet worker` on an instance
//!   ▲                                      ▲                 │ protection, hook
//!   └── api, database ◄── jobs ◄───────────┼─────────────────┤
//!                                      fake group ◄──────────┘
//! ```
//!
//! All times of the template are divided by one factor: period, boot, warm-up, drain, hook. What a
//! worker does by a time of its own is not quickened, and so looks slower here than it is:
//!
//! - It looks at its instance's metadata every 2 s, so one that was chosen hears of it late: up to
//!   two minutes of the template's time at a factor of 60. It takes no job meanwhile, as it asks
//!   before each claim, and the hook waits far longer.
//! - Its instance stays protected for 15 s after its last job: a quarter of an hour at 60. The group
//!   tries each period, and shrinks so much later.
//! - It prolongs its hook once in 10 s at most, which is seldom here, and polls SQS for up to 5 s.
//! - Jobs take what they take, on the cores of one machine: three workers on two cores are not three
//!   times as fast as one. A worker claims its next job shortly before it is through with one, so
//!   a moment may see more jobs under way than workers.
//!
//! The policy is a model of what AWS documents (`crates/scaling/src/tracking.rs`), the group is
//! ours: none of this is a real group. In service is here who has booted; a real group begins the
//! warm-up earlier, when EC2 runs the instance.
//!
//! `make chaos` goes six times as quick rather than sixty, by way of SQS, Postgres and `CloudWatch`
//! of an emulator, and writes `capacity-planning/results/closed-loop.json` and its plot.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod instances;
mod judge;
mod metric;
mod numbers;
mod plot;
mod report;
mod run;

use std::time::Duration;

use reelfleet_e2e::{clips, stage::Queue};
use run::Plan;

#[test]
fn a_burst_scales_out_to_the_maximum_and_in_to_the_minimum_and_no_job_is_touched() {
    let mut outcome = run::run(&Plan {
        queue: Queue::Sqlite,
        period_s: 1,
        published: false,
        videos: |stage| [clips::short(stage.folder()), stage.film(3), stage.film(10)],
        at_most: Duration::from_secs(600),
    });
    judge::judge(&mut outcome);
}

#[test]
#[ignore = "a long campaign: make chaos"]
fn a_burst_by_way_of_cloudwatch_scales_out_and_in_once_and_no_job_is_touched() {
    let mut outcome = run::run(&Plan {
        queue: Queue::Sqs,
        period_s: 10,
        published: true,
        videos: |stage| [10, 40, 60].map(|seconds| stage.film(seconds)),
        at_most: Duration::from_secs(3600),
    });
    judge::judge(&mut outcome);
    outcome.report.write(&outcome.instances);
}
