//! One role, as deployed.

use std::{io::Write, process::ExitCode, time::Duration};

use reelfleet_api::{Api, ApiConfig, LISTEN_ADDR};
use reelfleet_job::WorkerId;
use reelfleet_media::Profiles;
use reelfleet_metric::PublisherConfig;
use reelfleet_queue::{Relay, RelayConfig};
use reelfleet_runtime::{Clock, Shutdown, start_telemetry};
use reelfleet_worker::{Collector, Instance, InstanceConfig, Left, Worker, WorkerConfig};
use tokio::io::AsyncReadExt;

use crate::{
    compose::{self, Parts, PartsConfig},
    exit::{Failure, chain},
    fleet::{PARENT, WORKER_ID},
    signals::Signals,
};

/// `reelfleet api`: the API, the console and the relay.
pub(crate) async fn api() -> Result<ExitCode, Failure> {
    let mut vars = compose::environment();
    start_telemetry(&mut vars);
    let parts = PartsConfig::from_vars(&mut vars);
    let config = ApiConfig::from_vars(&mut vars, compose::profile_infos(&Profiles::builtin()));
    let metrics = PublisherConfig::from_vars(&mut vars);
    let address = vars.text(&LISTEN_ADDR).unwrap_or_default();
    vars.finish()?;
    let signals = Signals::take()?;
    let parts = Parts::open(&parts).await?;
    let listener = listen(&address).await?;
    let shutdown = Shutdown::new();
    tokio::spawn(signals.drive(shutdown.clone()));
    compose::publish(metrics, &parts.db, &shutdown).await;
    let relay = Relay::new(parts.db.clone(), parts.queue.clone(), RelayConfig::default());
    let relaying = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { relay.run(shutdown).await }
    });
    let api = Api::new(config, parts.db, parts.queue, parts.storage, Clock::system());
    reelfleet_api::serve(listener, api, shutdown)
        .await
        .map_err(|error| Failure::software(chain(&error)))?;
    let _ = relaying.await;
    Ok(ExitCode::SUCCESS)
}

/// Listens, or says in plain words why not.
pub(crate) async fn listen(address: &str) -> Result<tokio::net::TcpListener, Failure> {
    tokio::net::TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Failure::unavailable(format!(
            "{address} is in use by another program: choose another with --listen or LISTEN_ADDR"
        )),
        _ => Failure::config(format!("LISTEN_ADDR: {address} cannot be listened on: {error}")),
    })
}

/// `reelfleet worker`: one worker. Started by `up`, it also leaves with it.
pub(crate) async fn worker() -> Result<ExitCode, Failure> {
    let mut vars = compose::environment();
    start_telemetry(&mut vars);
    let parts = PartsConfig::from_vars(&mut vars);
    let config = WorkerConfig::from_vars(&mut vars);
    let id = vars.parse_optional::<WorkerId>(&WORKER_ID).unwrap_or_else(WorkerId::generate);
    let of_up = vars.given(&PARENT).is_some();
    // Workers of `up` share a machine, which is nobody's to protect or to let go.
    let instance = if of_up { None } else { InstanceConfig::from_vars(&mut vars, config.drain) };
    let metrics = PublisherConfig::from_vars(&mut vars);
    vars.finish()?;
    let signals = Signals::take()?;
    let shutdown = Shutdown::new();
    tokio::spawn(signals.drive(shutdown.clone()));
    // Before the database is needed: whoever has only to say goodbye does not need it.
    let instance = Instance::of(instance, Clock::system());
    if let Some(left) = instance.arrive(&shutdown).await {
        leave(left);
    }
    let parts = Parts::open(&parts).await?;
    let tools = compose::tools(&config)?;
    let collecting = if of_up {
        tokio::spawn(leave_with_parent(shutdown.clone()))
    } else {
        let collector =
            Collector::new(parts.db.clone(), parts.storage.clone(), config.work_dir.clone());
        compose::publish(metrics, &parts.db, &shutdown).await;
        let shutdown = shutdown.clone();
        tokio::spawn(async move { collector.run(shutdown).await })
    };
    let worker =
        Worker::new(id, config, parts.db, parts.queue, parts.storage, tools, Profiles::builtin())
            .on(instance);
    let ended = worker.run(shutdown).await.map_err(|error| Failure::unavailable(chain(&error)))?;
    collecting.abort();
    if of_up {
        // The parent adds these up for its goodbye. It may be gone, which is fine.
        let _ = serde_json::to_writer(std::io::stdout().lock(), &ended.tally);
        let _ = std::io::stdout().flush();
    }
    leave(ended.left)
}

/// What is still on its way has had its time: a reader of standard input blocks a thread that the
/// runtime would otherwise wait for.
fn leave(left: Left) -> ! {
    std::process::exit(left.exit_code().into())
}

/// Standard input is a pipe that only `up` holds the other end of: when it
/// ends, `up` is dead, and a worker that stayed would be nobody's.
async fn leave_with_parent(shutdown: Shutdown) {
    let mut pipe = tokio::io::stdin();
    let mut buffer = [0; 64];
    while matches!(pipe.read(&mut buffer).await, Ok(1..)) {}
    tracing::warn!("the fleet's main process is gone: this worker leaves");
    shutdown.start_abort();
    // The bound is for a database that is away; the lease frees the job then.
    tokio::time::sleep(Duration::from_secs(10)).await;
    std::process::exit(1);
}
