//! What a campaign runs on: a database, a broker, ways to cut, and the processes of a fleet.

use std::{path::Path, time::Duration};

use reelfleet_e2e::{
    Client,
    deployed::{create_queues, ends_of_logs, make_operator, sign_in, told},
    store::Store,
};
use reelfleet_servers::{Ministack, Postgres, RabbitMq, Redis};
use tempfile::TempDir;

use crate::{cut::Cut, role::Role, zombie::Zombies};

pub(crate) const WORKERS: usize = 3;
pub(crate) const APIS: usize = 2;

/// A lease short enough to be waited for.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// Which database and which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
    Redis,
    Sqs,
    RabbitMq,
}

impl Backend {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "database-sqlite",
            Self::Postgres => "database-postgres",
            Self::Redis => "redis",
            Self::Sqs => "sqs",
            Self::RabbitMq => "rabbitmq",
        }
    }
}

/// The broker, where it is not the database.
#[derive(Debug)]
pub(crate) enum Broker {
    Redis(Redis),
    Sqs(Ministack),
    RabbitMq(RabbitMq),
}

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) workers: Vec<Role>,
    pub(crate) apis: Vec<Role>,
    pub(crate) clients: Vec<Client>,
    pub(crate) cut: Cut,
    pub(crate) store: Store,
    pub(crate) broker: Option<Broker>,
    pub(crate) postgres: Option<Postgres>,
    pub(crate) zombies: Zombies,
    /// Last, so that it goes after those who write to it.
    pub(crate) folder: Folder,
}

/// What a campaign writes to. Who fails sees the end of every log.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", ends_of_logs(self.path()));
        }
    }
}

impl Stage {
    pub(crate) fn set(backend: Backend) -> Self {
        let folder = tempfile::Builder::new().prefix("reelfleet-campaign-").tempdir().unwrap();
        let folder = Folder(folder);
        let at = folder.path().display().to_string();
        let mut settings = vec![
            ("STORAGE_DIR".to_owned(), format!("{at}/blobs")),
            ("JWT_SECRET".to_owned(), format!("{0}{0}", uuid::Uuid::new_v4().simple())),
            ("LEASE_SECONDS".to_owned(), LEASE.as_secs().to_string()),
            ("DRAIN_SECONDS".to_owned(), "60".to_owned()),
            ("WORKER_CONCURRENCY".to_owned(), "1".to_owned()),
            // Kills must not use them up.
            ("MAX_ATTEMPTS".to_owned(), "1000".to_owned()),
            ("QUOTA_UNFINISHED_VIDEOS".to_owned(), "100000".to_owned()),
            ("LOGINS_PER_ADDRESS".to_owned(), "1000".to_owned()),
        ];
        let postgres = (backend != Backend::Sqlite).then(Postgres::start);
        let store = match &postgres {
            Some(postgres) => Store::Postgres(postgres.create("campaign")),
            None => Store::Sqlite(folder.path().join("reelfleet.db")),
        };
        let (cut, broker) = lay(backend, postgres.as_ref(), &mut settings);
        let url = match (&store, &postgres, &cut) {
            (Store::Sqlite(file), ..) => format!("sqlite:{}", file.display()),
            (Store::Postgres(url), Some(postgres), Some(cut)) if broker.is_none() => {
                url.replace(&format!(":{}/", postgres.port()), &format!(":{}/", cut.port()))
            }
            (Store::Postgres(url), ..) => url.clone(),
        };
        settings.push(("DATABASE_URL".to_owned(), url));
        told(&["migrate"], &settings, "");
        store.note_effects();
        make_operator(&settings);

        let role = |word, name: String, more: &[(&str, String)]| {
            let more = more.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            let settings = settings.iter().cloned().chain(more).collect();
            Role::new(word, settings, &folder.path().join(format!("{name}.log")))
        };
        let workers = (0..WORKERS)
            .map(|n| {
                role("worker", format!("worker-{n}"), &[("WORK_DIR", format!("{at}/work-{n}"))])
            })
            .collect();
        let ports: Vec<u16> = (0..APIS).map(|_| reelfleet_servers::free_port()).collect();
        let apis = (ports.iter().enumerate())
            .map(|(n, port)| {
                role("api", format!("api-{n}"), &[("LISTEN_ADDR", format!("127.0.0.1:{port}"))])
            })
            .collect();
        // Without a server whose connections could be cut, those of the callers are.
        let cut = cut.unwrap_or_else(|| Cut::before(ports[0]));
        let mut clients: Vec<_> = (ports.iter())
            .map(|port| Client::new(&format!("http://127.0.0.1:{port}"), ""))
            .collect();
        if backend == Backend::Sqlite {
            clients[0].url = format!("http://127.0.0.1:{}", cut.port());
        }
        let token = sign_in(&clients[1]);
        for client in &mut clients {
            client.token.clone_from(&token);
        }
        let zombies = Zombies::default();
        Self { workers, apis, clients, cut, store, broker, postgres, zombies, folder }
    }

    /// Ends the broker as a power cut would, and starts it again.
    pub(crate) fn restart_broker(&mut self) {
        match &mut self.broker {
            None => {}
            Some(Broker::Redis(redis)) => {
                redis.kill();
                redis.restart();
            }
            Some(Broker::RabbitMq(node)) => {
                node.kill();
                node.restart();
            }
            // The emulator keeps nothing: all messages are gone, and the queues with them.
            Some(Broker::Sqs(ministack)) => {
                ministack.kill();
                ministack.restart();
                create_queues(ministack, "campaign");
            }
        }
    }

    pub(crate) fn restart_database(&mut self) {
        if let Some(postgres) = &self.postgres {
            postgres.kill();
            postgres.restart();
        }
    }

    /// Everybody lives, and who has stood still for long enough wakes.
    pub(crate) fn look_after(&mut self) {
        for role in self.workers.iter_mut().chain(&mut self.apis) {
            role.look_after();
        }
        self.wake();
    }
}

/// Lays the way to the broker, and says where it is.
fn lay(
    backend: Backend,
    postgres: Option<&Postgres>,
    settings: &mut Vec<(String, String)>,
) -> (Option<Cut>, Option<Broker>) {
    let mut set = |name: &str, value: String| settings.push((name.to_owned(), value));
    match backend {
        Backend::Sqlite => (None, None),
        Backend::Postgres => (postgres.map(|postgres| Cut::before(postgres.port())), None),
        Backend::Redis => {
            let redis = Redis::start();
            let cut = Cut::before(redis.port());
            set("QUEUE_TYPE", "redis".to_owned());
            set("REDIS_URL", format!("redis://127.0.0.1:{}/0", cut.port()));
            (Some(cut), Some(Broker::Redis(redis)))
        }
        Backend::Sqs => {
            let ministack = Ministack::start();
            create_queues(&ministack, "campaign");
            let cut = Cut::before(ministack.port());
            let endpoint = format!("http://127.0.0.1:{}", cut.port());
            set("QUEUE_TYPE", "sqs".to_owned());
            set("SQS_QUEUE_URL", format!("{endpoint}/000000000000/campaign"));
            set("AWS_ENDPOINT_URL", endpoint);
            set("SQS_REGION", "us-east-1".to_owned());
            set("AWS_ACCESS_KEY_ID", "test".to_owned());
            set("AWS_SECRET_ACCESS_KEY", "test".to_owned());
            (Some(cut), Some(Broker::Sqs(ministack)))
        }
        Backend::RabbitMq => {
            let node = RabbitMq::start();
            let url = node.create("campaign");
            let cut = Cut::before(node.port());
            set("QUEUE_TYPE", "rabbitmq".to_owned());
            set(
                "RABBITMQ_URL",
                url.replace(&format!(":{}/", node.port()), &format!(":{}/", cut.port())),
            );
            (Some(cut), Some(Broker::RabbitMq(node)))
        }
    }
}
