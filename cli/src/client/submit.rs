use std::path::PathBuf;

use reelfleet_job::Priority;
use reelfleet_runtime::Vars;
use serde_json::Value;

use super::{
    Failure, Result,
    connect::{ConnectArgs, Connection},
    http::{Api, read},
    interrupt::{self, Accepted},
    progress::Progress,
    render,
    screen::Screen,
    upload::{self, Patience, Source},
    view::Video,
    watch,
};

#[derive(Debug, clap::Args)]
pub(crate) struct SubmitArgs {
    /// The videos to send
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What to make of them: the name of a profile
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// high, normal or low
    #[arg(long)]
    priority: Option<Priority>,
    /// What to call the video; else its file's name [one FILE only]
    #[arg(long)]
    title: Option<String>,
    /// Stay until every video is ready; exit 1 unless every one is
    #[arg(long)]
    wait: bool,
    /// Print the videos as one JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) fn run(args: SubmitArgs, vars: &Vars, screen: &mut Screen) -> Result<()> {
    let progress = Progress::new(screen.terminal);
    let accepted = Accepted::default();
    if args.wait {
        interrupt::install(&accepted);
    }
    submit(&args, vars, screen, &progress, &accepted, Patience::USUAL)
}

fn submit(
    args: &SubmitArgs,
    vars: &Vars,
    screen: &mut Screen,
    progress: &Progress,
    accepted: &Accepted,
    patience: Patience,
) -> Result<()> {
    if args.title.is_some() && args.files.len() > 1 {
        return Err(Failure::Usage("--title fits one FILE only".to_owned()));
    }
    let sources = check_all(&args.files, screen)?;
    let api = Api::new(Connection::find(&args.connect, vars)?);
    let mut outcome = Outcome::default();
    let mut videos = Vec::new();
    for source in &sources {
        let title = args.title.clone().unwrap_or_else(|| source.title());
        let mut query = vec![("title", title.as_str())];
        query.extend(args.profile.as_deref().map(|profile| ("profile", profile)));
        query.extend(args.priority.map(|priority| ("priority", priority.as_str())));
        match upload::send(&api, source, &query, patience, progress) {
            Ok(video) => {
                accepted.add(&read(&video)?);
                videos.push(video);
            }
            Err(failure) => {
                progress.note(&format!("{}: not accepted: {failure}", source.name));
                outcome.add(&failure);
                if !is_about_the_file(&failure) {
                    // The next one would fare no better.
                    break;
                }
            }
        }
    }
    if sources.len() > videos.len() && !videos.is_empty() {
        progress.note(&format!("{} of {} files were accepted", videos.len(), sources.len()));
    }
    if args.wait {
        let ends = watch::all(&api, &videos, progress);
        for (video, end) in videos.iter_mut().zip(ends) {
            match end {
                Ok(end) => *video = end,
                Err(failure) => {
                    let name = read::<Video>(video)?.name();
                    progress.note(&format!("{name}: not known how it ended: {failure}"));
                    outcome.add(&failure);
                }
            }
        }
    }
    progress.end();
    print(args, &api, videos, screen, &mut outcome)?;
    outcome.end()
}

fn print(
    args: &SubmitArgs,
    api: &Api,
    videos: Vec<Value>,
    screen: &mut Screen,
    outcome: &mut Outcome,
) -> Result<()> {
    for value in &videos {
        let video: Video = read(value)?;
        outcome.failed |= args.wait && video.status != "ready";
        if !args.json {
            screen.print(&render::video(&video, |path| api.url(path)))?;
        }
    }
    if args.json { screen.json(&Value::Array(videos)) } else { Ok(()) }
}

/// Nothing is sent unless all of it can be.
fn check_all(files: &[PathBuf], screen: &mut Screen) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut wrong = false;
    for file in files {
        match Source::check(file) {
            Ok(source) => sources.push(source),
            Err(failure) => {
                wrong = true;
                screen.note(&format!("reelfleet: {failure}"));
            }
        }
    }
    if wrong { Err(Failure::Told) } else { Ok(sources) }
}

/// The fleet refused this file, but may well take another.
fn is_about_the_file(failure: &Failure) -> bool {
    match failure {
        Failure::File(_) => true,
        Failure::Problem(problem) => {
            matches!(
                problem.code.as_str(),
                "empty_file" | "too_large" | "unsupported_media_type" | "bad_title"
            )
        }
        _ => false,
    }
}

/// What the whole submission ends with.
#[derive(Debug, Default)]
struct Outcome {
    failed: bool,
    unavailable: bool,
}

impl Outcome {
    fn add(&mut self, failure: &Failure) {
        self.failed = true;
        self.unavailable |= failure.is_unavailable();
    }

    fn end(self) -> Result<()> {
        match self {
            Self { unavailable: true, .. } => Err(Failure::ToldUnavailable),
            Self { failed: true, .. } => Err(Failure::Told),
            Self { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
