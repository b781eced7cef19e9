use std::{io::Write, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use reelfleet_api::{Api, ApiConfig, JWT_SECRET, LISTEN_ADDR};
use reelfleet_db::{Db, NewUser, Role, User};
use reelfleet_job::RetryPolicy;
use reelfleet_media::Profiles;
use reelfleet_metric::PublisherConfig;
use reelfleet_queue::{Relay, RelayConfig};
use reelfleet_runtime::{Clock, Shutdown, Var, Vars, start_telemetry};
use reelfleet_scaling::Rule;
use reelfleet_worker::{Collector, Tally, WorkerConfig, remove_abandoned_scratch};
use secrecy::ExposeSecret;

use super::{UpArgs, announce::Announcement, child::Environment, group::Group, home::Home};
use crate::{
    account::new_link,
    client::DATA,
    compose::{self, Parts, PartsConfig},
    exit::{Failure, chain},
    roles::listen,
    signals::Signals,
};

/// How long fewer workers must have been enough before any leaves.
const IDLE_BEFORE_IN: Duration = Duration::from_secs(20);

/// The account that the first start makes.
const OPERATOR: &str = "operator@localhost";

pub(super) async fn run(args: UpArgs) -> Result<ExitCode, Failure> {
    let mut vars = compose::environment();
    start_telemetry(&mut vars);
    let data: PathBuf = match &args.data {
        Some(data) => data.clone(),
        None => vars.text(&DATA).unwrap_or_default().into(),
    };
    let home = Arc::new(Home::take(&data)?);
    let environment = settle_vars(&mut vars, &home, &args)?;
    let parts = PartsConfig::from_vars(&mut vars);
    let profiles = Profiles::builtin();
    let config = ApiConfig::from_vars(&mut vars, compose::profile_infos(&profiles));
    let worker = WorkerConfig::from_vars(&mut vars);
    let metrics = PublisherConfig::from_vars(&mut vars);
    let address = vars.text(&LISTEN_ADDR).unwrap_or_default();
    vars.finish()?;
    let rule = rule(&args, &worker)?;
    compose::tools(&worker)?;

    let signals = Signals::take()?;
    let listener = listen(&address).await?;
    let parts = Parts::open_and_migrate(&parts).await?;
    free_jobs_of_the_last_run(&parts.db, &worker).await?;
    let operator = operator(&parts.db).await?;
    let url = url(&listener)?;
    let link = new_link(&parts.db, &operator).await?;
    let announcement = Announcement {
        home: home.clone(),
        config: config.clone(),
        operator,
        url: url.clone(),
        failing: false,
    };
    announcement.write().await?;

    let shutdown = Shutdown::new();
    let announcing = tokio::spawn(announcement.keep(parts.db.clone(), shutdown.clone()));
    compose::publish(metrics, &parts.db, &shutdown).await;
    let relay = Relay::new(parts.db.clone(), parts.queue.clone(), RelayConfig::default());
    let collector =
        Collector::new(parts.db.clone(), parts.storage.clone(), worker.work_dir.clone());
    let group = Group::new(
        parts.db.clone(),
        rule.clone(),
        worker.drain,
        worker.work_dir.clone(),
        environment,
    );
    let api = Api::new(config, parts.db, parts.queue, parts.storage, Clock::system());
    let relaying = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { relay.run(shutdown).await }
    });
    let collecting = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { collector.run(shutdown).await }
    });
    let mut grouping = tokio::spawn(group.run(shutdown.clone()));
    let mut serving = tokio::spawn(reelfleet_api::serve(listener, api, shutdown.clone()));
    say(&format!(
        "reelfleet is up: {} to {} workers, data in {}\n\n  Console:  {url}/sign-in/{}\n            (this link signs in once, within an hour; `reelfleet sign-in` prints another)\n\n  Try it:   reelfleet submit my.mov --wait\n  Stop:     Ctrl-C\n",
        rule.min,
        rule.max,
        data.display(),
        link,
    ));

    let failed = wait_for_the_end(signals, &shutdown, worker.drain, &mut serving).await;
    let tally = (&mut grouping).await.unwrap_or_default();
    if failed.is_none() {
        let _ = (&mut serving).await;
    }
    let _ = tokio::join!(announcing, relaying, collecting);
    home.withdraw();
    say(&goodbye(tally));
    match failed {
        Some(failure) => Err(failure),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Waits for signals, turning them into stages, until everything may end. An API that
/// ends by itself takes the fleet with it: nothing could be uploaded or watched any more.
async fn wait_for_the_end(
    mut signals: Signals,
    shutdown: &Shutdown,
    drain: Duration,
    serving: &mut tokio::task::JoinHandle<Result<(), reelfleet_api::ServeError>>,
) -> Option<Failure> {
    let failed = tokio::select! {
        () = signals.next() => None,
        ended = serving => Some(match ended {
            Ok(Ok(())) => Failure::software("the API ended by itself"),
            Ok(Err(error)) => Failure::software(chain(&error)),
            Err(error) => Failure::software(error),
        }),
    };
    say(&format!(
        "\nLeaving: jobs that can be finished within {} s are finished, the rest is handed back. Ctrl-C again stops at once.",
        drain.as_secs()
    ));
    shutdown.start_drain();
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            signals.next().await;
            shutdown.start_abort();
        }
    });
    failed
}

/// Fills in what the folder decides, and lists what the workers need to know of it.
fn settle_vars(vars: &mut Vars, home: &Home, args: &UpArgs) -> Result<Environment, Failure> {
    let mut environment = Vec::new();
    let folder: [(&Var, String); 3] = [
        (&reelfleet_db::DATABASE_URL, home.database_url()),
        (&reelfleet_storage::STORAGE_DIR, home.blobs()),
        (&reelfleet_worker::WORK_DIR, home.work()),
    ];
    for (var, value) in folder {
        if vars.given(var).is_none() {
            vars.set(var, value.clone());
            environment.push((var.name, value));
        }
    }
    if vars.given(&JWT_SECRET).is_none() {
        vars.set(&JWT_SECRET, home.jwt_secret()?.expose_secret());
    }
    if let Some(address) = &args.listen {
        vars.set(&LISTEN_ADDR, address);
    }
    // Each worker takes one video at a time unless told otherwise: the group grows by workers.
    if vars.given(&reelfleet_worker::CONCURRENCY).is_none() {
        vars.set(&reelfleet_worker::CONCURRENCY, "1");
        environment.push((reelfleet_worker::CONCURRENCY.name, "1".to_owned()));
    }
    Ok(environment)
}

fn rule(args: &UpArgs, worker: &WorkerConfig) -> Result<Rule, Failure> {
    let most = (reelfleet_worker::cores() / (worker.threads * worker.concurrency)).max(1);
    let max = args.max.unwrap_or(most.max(args.min));
    if max == 0 || args.min > max {
        return Err(Failure::config(format!(
            "--min {} and --max {max} do not fit: --max must be at least 1 and at least --min",
            args.min
        )));
    }
    if max > most {
        return Err(Failure::config(format!(
            "--max {max} is more than this machine's cores carry: {} cores, {} threads a transcode, {} at a time a worker: at most {most}",
            reelfleet_worker::cores(),
            worker.threads,
            worker.concurrency
        )));
    }
    Ok(Rule {
        min: args.min,
        max,
        jobs_per_worker: worker.concurrency,
        idle_before_in: IDLE_BEFORE_IN,
    })
}

/// Workers of an earlier run that died with it, or were killed since: their jobs need
/// not wait for the leases.
async fn free_jobs_of_the_last_run(db: &Db, worker: &WorkerConfig) -> Result<(), Failure> {
    let dead = remove_abandoned_scratch(&worker.work_dir)
        .map_err(|error| Failure::unavailable(format!("WORK_DIR: {error}")))?;
    let mut freed = 0;
    for worker in dead {
        freed += db.reap_worker(worker, &RetryPolicy::default()).await?.freed;
    }
    if freed > 0 {
        tracing::info!(jobs.freed = freed, "{freed} jobs of the last run go on");
    }
    Ok(())
}

async fn operator(db: &Db) -> Result<User, Failure> {
    if let Some(operator) = db.first_operator().await? {
        return Ok(operator);
    }
    // No password: the account is entered by link only, until one is set.
    let new =
        NewUser { email: OPERATOR.to_owned(), password_hash: String::new(), role: Role::Operator };
    db.create_user(&new).await.map_err(|error| match error {
        // Made by sign-up, or an operator's no more: whose it is, this process cannot know.
        reelfleet_db::Error::Taken => Failure::unavailable(format!(
            "there is no operator, and {OPERATOR} is somebody's account: \
             `reelfleet account EMAIL --operator` makes an operator on this database"
        )),
        error => error.into(),
    })
}

/// The address for people: a wildcard is not one that a browser can open.
fn url(listener: &tokio::net::TcpListener) -> Result<String, Failure> {
    let mut address = listener.local_addr().map_err(Failure::software)?;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Ok(format!("http://{address}"))
}

fn goodbye(tally: Tally) -> String {
    let jobs = |count: u64| if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") };
    format!(
        "Stopped: {} finished, {} handed back for the next start.",
        jobs(tally.finished),
        jobs(tally.handed_back)
    )
}

/// Tells the person at the terminal.
fn say(text: &str) {
    // A closed terminal is no reason to stop working.
    let _ = writeln!(std::io::stdout(), "{text}");
}
