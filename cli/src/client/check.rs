use std::time::{Duration, Instant};

use reelfleet_job::Priority;
use reelfleet_runtime::{Backoff, Vars};
use serde_json::{Value, json};

use super::{
    Failure, Result,
    connect::{ConnectArgs, Connection},
    http::{Api, read},
    render,
    screen::Screen,
    view::Job,
    watch::pause,
};

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Jobs to send
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// high, normal or low
    #[arg(long, default_value_t)]
    priority: Priority,
    /// How many seconds they may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Print what it came to as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Sends jobs that do nothing through the fleet, and waits until a worker has closed each.
pub(super) fn run(args: &CheckArgs, vars: &Vars, screen: &mut Screen) -> Result<()> {
    let api = Api::new(Connection::find(&args.connect, vars)?);
    let wanted = json!({"count": args.count, "priority": args.priority.as_str()});
    let began = Instant::now();
    let until = began + Duration::from_secs(args.timeout);
    let made = api.post("/api/admin/noops", Some(&wanted))?;
    let jobs = made.get("jobs").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut undone = Vec::new();
    for id in jobs.iter().filter_map(Value::as_str) {
        let state = last_state(&api, id, until)?;
        if state != "done" {
            undone.push(json!({"id": id, "state": state}));
        }
    }
    let (sent, done) = (jobs.len() as u64, (jobs.len() - undone.len()) as u64);
    let seconds = began.elapsed().as_secs_f64();
    if args.json {
        screen.json(&json!({"sent": sent, "done": done, "seconds": seconds, "undone": undone}))?;
    } else {
        let sent = render::count(sent, "job");
        screen.print(&format!("{sent} sent, {done} done in {seconds:.2} s.\n"))?;
    }
    for job in &undone {
        let text = |name| render::plain(job[name].as_str().unwrap_or_default());
        screen.note(&format!("{}: is {} after {seconds:.0} s", text("id"), text("state")));
    }
    if undone.is_empty() { Ok(()) } else { Err(Failure::Told) }
}

/// The state in which a job is when it is closed, or when the time is up.
fn last_state(api: &Api, id: &str, until: Instant) -> Result<String> {
    let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(500));
    loop {
        let job: Job = read(&api.get(&format!("/api/jobs/{id}"), &[])?)?;
        let closed = ["done", "dead", "cancelled"].contains(&job.state.as_str());
        if closed || Instant::now() >= until {
            return Ok(job.state);
        }
        pause(backoff.next_wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{
        fake::{Fake, Reply},
        screen::tests::screen,
    };

    fn check(last: &'static str) -> (Result<()>, String, String) {
        let fake = Fake::start(move |request| match request.path.as_str() {
            "/api/admin/noops" => Reply::json(202, r#"{"jobs":["j1","j2"]}"#),
            "/api/jobs/j1" => Reply::json(200, r#"{"id":"j1","state":"done"}"#),
            _ => Reply::json(200, json!({"id": "j2", "state": last}).to_string()),
        });
        let connect = ConnectArgs { url: Some(fake.url.clone()), data: None };
        let args =
            CheckArgs { count: 2, priority: Priority::Low, timeout: 0, json: false, connect };
        let (mut screen, out, err) = screen();
        let result = run(&args, &Vars::of([("REELFLEET_TOKEN", "token")]), &mut screen);
        let asked: Value = serde_json::from_slice(&fake.requests()[0].body).unwrap();
        assert_eq!(asked, json!({"count": 2, "priority": "low"}));
        (result, out.text(), err.text())
    }

    #[test]
    fn a_fleet_that_does_its_jobs_is_told_to_work() {
        let (result, out, err) = check("done");
        assert!(result.is_ok() && err.is_empty(), "{err}");
        assert!(out.starts_with("2 jobs sent, 2 done in "), "{out}");
    }

    #[test]
    fn a_job_that_is_not_done_in_time_is_named_and_fails_the_check() {
        let (result, out, err) = check("queued");
        assert!(matches!(result, Err(Failure::Told)));
        assert!(out.starts_with("2 jobs sent, 1 done in "), "{out}");
        assert!(err.contains("j2: is queued after 0 s"), "{err}");
    }
}
