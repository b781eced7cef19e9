//! The connections of a process: one that all calls share, and one for each receive that waits,
//! because the server answers nothing else on a connection that waits.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use redis::{AsyncConnectionConfig, Client, RedisResult, aio::MultiplexedConnection};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::failure::{failure, spent};
use crate::Error;

/// How long a new connection may take, and an answer.
const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(5);

pub(super) struct Link {
    client: Client,
    address: String,
    config: AsyncConnectionConfig,
    shared: tokio::sync::Mutex<Shared>,
    idle: Mutex<Vec<Reader>>,
}

/// The connection that all calls share.
#[derive(Default)]
struct Shared {
    /// How many there were.
    made: u64,
    connection: Option<MultiplexedConnection>,
    /// When the last try that failed began, and why it did.
    failed: Option<(Instant, redis::RedisError)>,
}

/// A connection on which one receive waits.
pub(super) struct Reader {
    pub(super) connection: MultiplexedConnection,
    /// What the server calls it; not every user may ask.
    pub(super) id: Option<u64>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(url: &SecretString) -> Result<Self, Error> {
        let client =
            Client::open(url.expose_secret()).map_err(|error| failure("REDIS_URL", error))?;
        // Several of our dependencies bring a provider of their own, so none is chosen by itself.
        // Whoever was here first has chosen.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        Ok(Self {
            address: client.get_connection_info().addr().to_string(),
            client,
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT))
                .set_response_timeout(Some(ANSWER)),
            shared: tokio::sync::Mutex::default(),
            idle: Mutex::default(),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn failure(&self, error: redis::RedisError) -> Error {
        failure(&self.address, error)
    }

    /// Asks on the shared connection; once more on a new one if the server had closed it, as after
    /// a restart, or is a replica now. What is asked may so be done twice.
    pub(super) async fn call<T, F>(
        &self,
        ask: impl Fn(MultiplexedConnection) -> F,
    ) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let (connection, made) = self.shared().await?;
        match ask(connection).await {
            Err(error) if spent(&error) => {
                self.forget(made).await;
                if error.is_timeout() {
                    return Err(error);
                }
            }
            answer => return answer,
        }
        let (connection, made) = self.shared().await?;
        let answer = ask(connection).await;
        if answer.as_ref().is_err_and(spent) {
            self.forget(made).await;
        }
        answer
    }

    async fn shared(&self) -> RedisResult<(MultiplexedConnection, u64)> {
        let asked = Instant::now();
        let mut shared = self.shared.lock().await;
        if let Some(connection) = &shared.connection {
            return Ok((connection.clone(), shared.made));
        }
        // Whoever has waited for another's whole try takes its answer, rather than trying in turn.
        if let Some((began, error)) = &shared.failed
            && *began > asked
        {
            return Err(error.clone());
        }
        let began = Instant::now();
        match self.connect().await {
            Ok(connection) => {
                shared.made += 1;
                shared.connection = Some(connection.clone());
                Ok((connection, shared.made))
            }
            Err(error) => {
                shared.failed = Some((began, error.clone()));
                Err(error)
            }
        }
    }

    /// Another one may have made a new connection already: only that which failed is forgotten.
    pub(super) async fn forget(&self, made: u64) {
        let mut shared = self.shared.lock().await;
        if shared.made == made {
            shared.connection = None;
        }
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        self.client.get_multiplexed_async_connection_with_config(&self.config).await
    }

    /// A connection to wait on.
    pub(super) async fn reader(&self) -> RedisResult<Reader> {
        if let Some(reader) = self.idle().pop() {
            return Ok(reader);
        }
        let mut connection = self.connect().await?;
        let id = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await;
        match id {
            Err(error) if spent(&error) => Err(error),
            id => Ok(Reader { connection, id: id.ok() }),
        }
    }

    /// Keeps a connection for the next one that waits.
    pub(super) fn put_back(&self, reader: Reader) {
        self.idle().push(reader);
    }

    /// One of them failed, so the others will, too.
    pub(super) fn drop_idle(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
