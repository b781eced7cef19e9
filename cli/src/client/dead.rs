use reelfleet_job::JobId;
use reelfleet_runtime::Vars;
use serde_json::{Value, json};

use super::{
    Failure, Result,
    connect::{ConnectArgs, Connection},
    http::Api,
    jobs::{pages, print_list, print_one},
    render,
    screen::Screen,
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum DeadCommand {
    /// List dead jobs, the newest first
    List(ListArgs),
    /// Show one dead job with its attempts
    Show(ShowArgs),
    /// Let dead jobs try again, with all their attempts
    Redrive(RedriveArgs),
    /// Give dead jobs up for good
    Discard(DiscardArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
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
pub(crate) struct ShowArgs {
    /// Id of the job
    id: JobId,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RedriveArgs {
    /// Ids of the jobs
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "ID")]
    pub(super) ids: Vec<JobId>,
    /// Every dead job
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DiscardArgs {
    /// Ids of the jobs
    #[arg(required = true, value_name = "ID")]
    pub(super) ids: Vec<JobId>,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

pub(super) fn run(command: DeadCommand, vars: &Vars, screen: &mut Screen) -> Result<()> {
    match command {
        DeadCommand::List(args) => {
            let api = Api::new(Connection::find(&args.connect, vars)?);
            let jobs = pages(&api, "/api/admin/dead", &[], args.limit.into())?;
            print_list(&jobs, args.json, "No dead jobs.", screen)
        }
        DeadCommand::Show(args) => {
            let api = Api::new(Connection::find(&args.connect, vars)?);
            let job = api.get(&format!("/api/admin/dead/{}", args.id), &[])?;
            print_one(&job, args.json, screen)
        }
        DeadCommand::Redrive(args) => redrive(&args, vars, screen),
        DeadCommand::Discard(args) => discard(&args, vars, screen),
    }
}

fn redrive(args: &RedriveArgs, vars: &Vars, screen: &mut Screen) -> Result<()> {
    let api = Api::new(Connection::find(&args.connect, vars)?);
    let wanted = if args.all { json!({"all": true}) } else { json!({"ids": args.ids}) };
    let answer = api.post("/api/admin/dead/redrive", Some(&wanted))?;
    let redriven = answer.get("redriven").and_then(Value::as_u64).unwrap_or_default();
    screen.print(&format!("{} will try again.\n", render::count(redriven, "job")))?;
    let skipped = answer.get("skipped").and_then(Value::as_array).cloned().unwrap_or_default();
    for id in &skipped {
        screen.note(&format!("{}: is not dead", render::plain(id.as_str().unwrap_or_default())));
    }
    if skipped.is_empty() { Ok(()) } else { Err(Failure::Told) }
}

fn discard(args: &DiscardArgs, vars: &Vars, screen: &mut Screen) -> Result<()> {
    let api = Api::new(Connection::find(&args.connect, vars)?);
    let jobs = render::count(args.ids.len() as u64, "dead job");
    if !args.yes {
        if !screen.interactive {
            return Err(Failure::Usage(format!("{jobs}: say --yes to discard without a question")));
        }
        if !screen.confirm(&format!("Discard {jobs} for good?"))? {
            screen.note("Nothing was discarded.");
            return Err(Failure::Told);
        }
    }
    let mut failed = false;
    for id in &args.ids {
        match api.post(&format!("/api/admin/dead/{id}/discard"), None) {
            Ok(_) => screen.print(&format!("{id}: discarded\n"))?,
            Err(Failure::Problem(problem)) if matches!(problem.status, 404 | 409) => {
                failed = true;
                screen.note(&format!("{id}: {}", problem.sentence()));
            }
            Err(failure) => return Err(failure),
        }
    }
    if failed { Err(Failure::Told) } else { Ok(()) }
}
