use reelfleet_runtime::Vars;

use super::{
    Result,
    connect::{ConnectArgs, Connection},
    http::{Api, read},
    render,
    screen::Screen,
};

#[derive(Debug, clap::Args)]
pub(crate) struct QueueArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) fn run(args: &QueueArgs, vars: &Vars, screen: &mut Screen) -> Result<()> {
    let api = Api::new(Connection::find(&args.connect, vars)?);
    let queue = api.get("/api/admin/queue", &[])?;
    if args.json { screen.json(&queue) } else { screen.print(&render::queue(&read(&queue)?)) }
}
