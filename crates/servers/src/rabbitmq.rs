use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{free_port, keeper::Keeper, pause};

/// A node takes five seconds to start on an idle machine.
const START: Duration = Duration::from_secs(120);

/// Where Debian has the program itself; the one in the path insists on a user and a folder.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// Evaluated in the node, which then takes orders.
const ORDERS: &str = include_str!("orders.erl");

/// Erlang leaves its port mapper behind. This one is on a port of its own and dies with the
/// process that becomes the node.
const SCRIPT: &str = r#"
setpriv --pdeathsig KILL epmd &
until epmd -names >/dev/null 2>&1; do sleep 0.05; done
exec "$@"
"#;

/// A broker node of its own, without plugins.
#[derive(Debug)]
pub struct RabbitMq {
    port: u16,
    orders: u16,
    keeper: Mutex<Keeper>,
}

impl RabbitMq {
    /// Starts one, with the settings that users have.
    ///
    /// # Panics
    ///
    /// It is not installed, or it does not start.
    #[must_use]
    pub fn start() -> RabbitMq {
        Self::start_with(&[])
    }

    /// Starts one that has no quorum queues, as an old one may not.
    ///
    /// # Panics
    ///
    /// It is not installed, or it does not start.
    #[must_use]
    pub fn start_without_quorum_queues() -> RabbitMq {
        // Only what is named is switched on.
        Self::start_with(&["RABBITMQ_FEATURE_FLAGS=virtual_host_metadata".to_owned()])
    }

    fn start_with(more: &[String]) -> RabbitMq {
        let installed = Path::new(PROGRAM).exists();
        assert!(installed, "no RabbitMQ: apt-get install --no-install-recommends rabbitmq-server");
        let folder = tempfile::Builder::new().prefix("reelfleet-rabbitmq-").tempdir();
        let folder = folder.expect("a temporary folder").keep();
        fs::write(folder.join("plugins"), "[].").expect("the folder is writable");
        fs::write(folder.join("orders"), ORDERS).expect("the folder is writable");
        let (port, orders, at) = (free_port(), free_port(), folder.display());
        let settings = [
            format!("HOME={at}"),
            // The script then becomes the node instead of starting it.
            "RABBITMQ_ALLOW_INPUT=1".to_owned(),
            format!("RABBITMQ_NODENAME=reelfleet{port}@localhost"),
            "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1".to_owned(),
            format!("RABBITMQ_NODE_PORT={port}"),
            format!("RABBITMQ_DIST_PORT={}", free_port()),
            format!("RABBITMQ_MNESIA_BASE={at}/data"),
            format!("RABBITMQ_LOG_BASE={at}"),
            "RABBITMQ_LOGS=-".to_owned(),
            format!("RABBITMQ_ENABLED_PLUGINS_FILE={at}/plugins"),
            // What the machine's own node is told is not for this one.
            "RABBITMQ_CONF_ENV_FILE=/dev/null".to_owned(),
            format!("RABBITMQ_CONFIG_FILE={at}/none"),
            format!("ERL_EPMD_PORT={}", free_port()),
            "ERL_EPMD_ADDRESS=127.0.0.1".to_owned(),
            "ERL_ZFLAGS=-start_epmd false".to_owned(),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-noinput -kernel inet_dist_use_interface {127,0,0,1}"
                .to_owned(),
        ];
        let words = ["sh", "-c", SCRIPT, "sh", PROGRAM, "-orders"].map(str::to_owned);
        let last = [orders.to_string(), "-eval".to_owned(), format!("file:eval(\"{at}/orders\").")];
        let server: Vec<_> = ["env".to_owned()]
            .into_iter()
            .chain(settings)
            .chain(more.to_vec())
            .chain(words)
            .chain(last)
            .collect();
        let keeper = Mutex::new(Keeper::start(folder, &server));
        let node = RabbitMq { port, orders, keeper };
        node.wait();
        node
    }

    /// Makes a virtual host with nothing in it; its URL.
    ///
    /// # Panics
    ///
    /// It is there already.
    #[must_use]
    pub fn create(&self, host: &str) -> String {
        assert!(self.order(&format!("host {host}")).is_ok(), "{host}: {}", self.keeper().log());
        format!("amqp://guest:guest@127.0.0.1:{}/{host}", self.port)
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes every connection to a virtual host, as an operator can.
    ///
    /// # Panics
    ///
    /// There is none, or the node is away.
    pub fn close_connections(&self, host: &str) {
        self.order(&format!("close {host}")).expect("the node is there, and a connection");
    }

    /// Ends it as a power cut would: without a word to anybody.
    ///
    /// # Panics
    ///
    /// It was ended before.
    pub fn kill(&self) {
        self.keeper().signal("KILL");
    }

    /// Starts it again, and waits until it has recovered.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub fn restart(&self) {
        // One start in some hundreds after a kill stands still before the node says a word.
        for _ in 0..2 {
            self.keeper().again();
            if self.is_up_within(START / 2) {
                return;
            }
            self.kill();
        }
        self.keeper().again();
        self.wait();
    }

    fn order(&self, line: &str) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.orders))?;
        // Connections are closed one after the other, which takes seconds on a busy machine.
        stream.set_read_timeout(Some(START))?;
        stream.write_all(format!("{line}\n").as_bytes())?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, Keeper> {
        self.keeper.lock().expect("no test panics in here")
    }

    fn wait(&self) {
        assert!(self.is_up_within(START), "RabbitMQ did not start: {}", self.keeper().log());
    }

    fn is_up_within(&self, bound: Duration) -> bool {
        // It takes orders once it is up.
        let until = Instant::now() + bound;
        while TcpStream::connect(("127.0.0.1", self.orders)).is_err() {
            if Instant::now() > until {
                return false;
            }
            pause();
        }
        true
    }
}
