use reelfleet_job::{JobId, State};
use reelfleet_runtime::Vars;
use serde_json::{Value, json};

use super::{
    Failure, Result,
    connect::{ConnectArgs, Connection},
    http::{Api, read},
    render,
    screen::Screen,
    view::{Job, Video},
};

/// The most that the API gives at once.
const PAGE: usize = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct JobsArgs {
    /// Only those in this state: scheduled, queued, running, done, dead or cancelled
    #[arg(long)]
    state: Option<State>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    /// Print them as one JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct JobArgs {
    /// Id of the job, or of its video
    id: JobId,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CancelArgs {
    /// Id of the video, or of its job
    id: JobId,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) fn list(args: &JobsArgs, vars: &Vars, screen: &mut Screen) -> Result<()> {
    let api = Api::new(Connection::find(&args.connect, vars)?);
    let filter: Vec<_> = args.state.iter().map(|state| ("state", state.as_str())).collect();
    let jobs = pages(&api, "/api/admin/jobs", &filter, args.limit.into())?;
    print_list(&jobs, args.json, "No jobs.", screen)
}

/// Reads jobs page by page, as many as asked for.
pub(super) fn pages(
    api: &Api,
    path: &str,
    filter: &[(&str, &str)],
    limit: usize,
) -> Result<Vec<Value>> {
    let mut found: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let size = (limit - found.len()).min(PAGE).to_string();
        let mut query = filter.to_vec();
        query.push(("limit", &size));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let mut page = api.get(path, &query)?;
        let Some(Value::Array(jobs)) = page.get_mut("jobs").map(Value::take) else {
            return Err(Failure::Answer("the answer holds no list of jobs".to_owned()));
        };
        let empty = jobs.is_empty();
        found.extend(jobs);
        found.truncate(limit);
        cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        // An empty page with a cursor would keep us here for ever.
        if cursor.is_none() || empty || found.len() == limit {
            return Ok(found);
        }
    }
}

pub(super) fn print_list(
    jobs: &[Value],
    json: bool,
    none: &str,
    screen: &mut Screen,
) -> Result<()> {
    if json {
        return screen.json(&json!(jobs));
    }
    if jobs.is_empty() {
        screen.note(none);
        return Ok(());
    }
    let jobs = jobs.iter().map(read).collect::<Result<Vec<Job>>>()?;
    screen.print(&render::jobs(&jobs))
}

pub(super) fn explain(args: &JobArgs, vars: &Vars, screen: &mut Screen) -> Result<()> {
    let api = Api::new(Connection::find(&args.connect, vars)?);
    let id = args.id.to_string();
    let job = match job(&api, &id)? {
        Some(job) => job,
        None => {
            let video: Video = match or_none(api.get(&format!("/api/videos/{id}"), &[]))? {
                Some(video) => read(&video)?,
                None => return Err(unknown(&id)),
            };
            let of_video = video.job.as_deref().map(|id| job(&api, id)).transpose()?;
            of_video.flatten().ok_or_else(|| unknown(&id))?
        }
    };
    print_one(&job, args.json, screen)
}

pub(super) fn print_one(job: &Value, json: bool, screen: &mut Screen) -> Result<()> {
    if json { screen.json(job) } else { screen.print(&render::job(&read(job)?)) }
}

fn job(api: &Api, id: &str) -> Result<Option<Value>> {
    or_none(api.get(&format!("/api/jobs/{id}"), &[]))
}

pub(super) fn cancel(args: &CancelArgs, vars: &Vars, screen: &mut Screen) -> Result<()> {
    let api = Api::new(Connection::find(&args.connect, vars)?);
    let id = args.id.to_string();
    let cancelled = match cancel_at(&api, &format!("/api/videos/{id}/cancel"))? {
        Some(video) => video,
        None => cancel_job(&api, &id)?.ok_or_else(|| unknown(&id))?,
    };
    let cancelled = cancelled.get("status").or_else(|| cancelled.get("state"));
    screen.print(match cancelled.and_then(Value::as_str) {
        Some("cancelled") => "Cancelled.\n",
        _ => "It is being cancelled.\n",
    })
}

/// Operators cancel any job; owners cancel the video that is theirs.
fn cancel_job(api: &Api, id: &str) -> Result<Option<Value>> {
    match cancel_at(api, &format!("/api/admin/jobs/{id}/cancel")) {
        Err(Failure::Problem(problem)) if problem.status == 403 => {
            let Some(found) = job(api, id)? else { return Ok(None) };
            let found: Job = read(&found)?;
            let Some(video) = found.video else { return Err(Failure::Problem(problem)) };
            cancel_at(api, &format!("/api/videos/{video}/cancel"))
        }
        result => result,
    }
}

fn cancel_at(api: &Api, path: &str) -> Result<Option<Value>> {
    or_none(api.post(path, None))
}

/// None in place of "not found".
fn or_none(answer: Result<Value>) -> Result<Option<Value>> {
    match answer {
        Err(Failure::Problem(problem)) if problem.status == 404 => Ok(None),
        answer => answer.map(Some),
    }
}

fn unknown(id: &str) -> Failure {
    Failure::Answer(format!("no job or video of yours has the id {id}"))
}

#[cfg(test)]
mod tests;
