//! What must hold when it is over.

use std::time::Duration;

use reelfleet_e2e::{playable, stage::Stage, wait_for};
use reelfleet_servers::group::{Action, Ended};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    report::{Observed, Report},
    run::{BURST, Outcome},
};

pub(crate) fn judge(outcome: &mut Outcome) {
    let Outcome { stage, instances, report, stragglers, straggler } = outcome;
    let said = report.short(instances);
    println!("{said}");
    assert_scaled_once(report);
    let max = report.numbers.max as usize;
    assert_eq!(instances.most, max, "{said}");
    assert!(report.samples.iter().any(|sample| sample.in_service == max), "{said}");
    assert!(instances.tries.passed_busy > 0, "it shows nothing of jobs under way: {said}");

    // No job was touched.
    assert_eq!(instances.tries.chosen_busy, Vec::<String>::new(), "chosen with a job in hand");
    assert_eq!(instances.early.found(), Vec::<String>::new(), "completed with something in hand");
    let jobs = all_jobs(stage);
    assert_eq!(jobs.len(), BURST + stragglers.len());
    for job in &jobs {
        let once = (&job["state"], &job["attempts"], &job["epoch"]);
        assert_eq!(once, (&"done".into(), &1.into(), &1.into()), "{job}");
    }
    wait_until_empty(stage);
    let source_s = playable::facts(straggler).duration_s;
    for video in stragglers {
        assert_eq!(stage.assert_whole(video, source_s, 1), 1, "executed once");
    }

    // Each that was to end said so once, by itself.
    let wanted = instances.launched - instances.serving.len();
    assert_eq!((instances.ended.len(), instances.leaving.len()), (wanted, 0));
    assert_eq!(instances.not_over(stage), Vec::<String>::new());
    for ended in &instances.ended {
        let id = &ended.instance;
        let wait = stage.group.lifecycle(id).unwrap();
        let how = wait.ended.map(|(_, how)| how);
        assert_eq!(how, Some(Ended::Completed("CONTINUE".into())), "{id}: {}", stage.log(id));
        assert_eq!(ended.code, Some(10), "{id}: {}", stage.log(id));
        let completed = stage.group.calls_of(id, Action::Complete);
        assert_eq!(completed.iter().filter(|call| call.done).count(), 1, "{id}: {completed:?}");
        // What the group goes by is not asked: what it was told.
        let last = stage.group.calls().into_iter().rfind(|call| {
            let protection = matches!(call.action, Some(Action::Protect | Action::Unprotect));
            call.instance == *id && call.done && protection && call.at < wait.began
        });
        let last = last.and_then(|call| call.action);
        assert_ne!(last, Some(Action::Protect), "{id} was protected, and chosen");
    }
    for worker in &mut instances.serving {
        assert!(stage.group.lifecycle(&worker.instance).is_none());
        assert!(stage.group.calls_of(&worker.instance, Action::Complete).is_empty());
        worker.signal(Signal::TERM);
        assert_eq!(worker.wait_end(Duration::from_secs(60)), Some(0));
    }
    stage.assert_no_ffmpeg();
}

/// It grew to its maximum and shrank to its minimum, each once, each after as many values on end as
/// the policy says. By what was seen, not by the model.
fn assert_scaled_once(report: &Report) {
    let (numbers, params) = (&report.numbers, report.numbers.params());
    let changes = report.changes();
    let mut directions: Vec<_> = changes.iter().map(|(_, from, to)| to > from).collect();
    directions.dedup();
    assert_eq!(directions, [true, false], "out, then in: {changes:?}");
    let most = changes.iter().map(|(_, _, to)| *to).max();
    assert_eq!(most, Some(numbers.max), "{changes:?}");
    assert_eq!(changes.last().map(|(_, _, to)| *to), Some(numbers.min), "{changes:?}");
    let below = numbers.target * params.in_below;
    for (nth, from, to) in changes {
        let needed = if to > from { params.out_after } else { params.in_after } as usize;
        assert!(nth + 1 >= needed, "{from} to {to} with value {}", nth + 1);
        for Observed { value, .. } in &report.observed[nth + 1 - needed..=nth] {
            let value = value.expect("a value that is missing changes nothing");
            let calls_for_it = if to > from { value > numbers.target } else { value < below };
            assert!(calls_for_it, "{from} to {to} because of {value}");
        }
    }
}

/// No message is left, and no letter.
fn wait_until_empty(stage: &Stage) {
    wait_for("every message to be gone", Duration::from_secs(60), || {
        let queue = stage.get("/api/admin/queue");
        let lanes = queue["lanes"].as_array()?.iter();
        let left =
            lanes.map(|lane| lane["ready"].as_u64()?.checked_add(lane["in_flight"].as_u64()?));
        (left.sum::<Option<u64>>()? == 0 && queue["dead_letters"] == 0).then_some(())
    });
}

fn all_jobs(stage: &Stage) -> Vec<Value> {
    let mut jobs = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut page = stage.get(&format!("/api/admin/jobs?limit=100{cursor}"));
        jobs.append(page["jobs"].as_array_mut().unwrap());
        let Some(next) = page["next_cursor"].as_str() else { return jobs };
        cursor = format!("&cursor={next}");
    }
}
