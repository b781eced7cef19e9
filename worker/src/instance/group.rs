//! The API of Auto Scaling: one try each, within a bound. Who calls decides about further ones.

use std::{fmt, time::Duration};

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_autoscaling::{
    Client,
    config::Builder,
    error::{ProvideErrorMetadata, SdkError},
};
use tokio::sync::OnceCell;

use super::InstanceConfig;

const CONNECT: Duration = Duration::from_secs(1);

/// One call.
pub(super) const TRY: Duration = Duration::from_secs(3);

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is no wait of this instance to prolong or to end: it is over.
    NoWait,
    /// The instance is not in service yet, or not any more.
    NotInService,
    /// Nobody knows whether it had its effect: no answer, or one that says so. In words for the log.
    Unheard(String),
    /// Anything else, in words for the log.
    Other(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWait => f.write_str("the group does not wait for this instance"),
            Self::NotInService => f.write_str("the instance is not in service"),
            Self::Unheard(why) | Self::Other(why) => f.write_str(why),
        }
    }
}

pub(super) type Result<T> = std::result::Result<T, Refused>;

#[derive(Debug)]
pub(super) struct Group {
    config: InstanceConfig,
    /// Made with the first call: to find credentials may take a moment that no start waits for.
    client: OnceCell<Client>,
}

impl Group {
    pub(super) fn new(config: InstanceConfig) -> Self {
        Self { config, client: OnceCell::new() }
    }

    pub(super) async fn protect(&self, id: &str, protected: bool) -> Result<()> {
        let client = self.client().await?;
        let asked = client
            .set_instance_protection()
            .auto_scaling_group_name(&self.config.group)
            .instance_ids(id)
            .protected_from_scale_in(protected);
        bounded(asked.send()).await.map(|_| ())
    }

    /// Prolongs the wait of the hook.
    pub(super) async fn beat(&self, hook: &str, id: &str) -> Result<()> {
        let client = self.client().await?;
        let asked = client
            .record_lifecycle_action_heartbeat()
            .auto_scaling_group_name(&self.config.group)
            .lifecycle_hook_name(hook)
            .instance_id(id);
        bounded(asked.send()).await.map(|_| ())
    }

    /// Ends the wait of the hook: the instance may go.
    pub(super) async fn complete(&self, hook: &str, id: &str) -> Result<()> {
        let client = self.client().await?;
        let asked = client
            .complete_lifecycle_action()
            .auto_scaling_group_name(&self.config.group)
            .lifecycle_hook_name(hook)
            .instance_id(id)
            .lifecycle_action_result("CONTINUE");
        bounded(asked.send()).await.map(|_| ())
    }

    /// How long the hook waits without a heartbeat.
    pub(super) async fn hook_timeout(&self, hook: &str) -> Result<Option<Duration>> {
        let client = self.client().await?;
        let asked = client
            .describe_lifecycle_hooks()
            .auto_scaling_group_name(&self.config.group)
            .lifecycle_hook_names(hook);
        let hooks = bounded(asked.send()).await?;
        let seconds = hooks.lifecycle_hooks().first().and_then(|hook| hook.heartbeat_timeout());
        Ok(seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs))
    }

    async fn client(&self) -> Result<&Client> {
        let make = async { self.client.get_or_init(|| self.connect()).await };
        let made = tokio::time::timeout(TRY, make).await;
        made.map_err(|_| Refused::Other("the AWS SDK was not ready in time".to_owned()))
    }

    async fn connect(&self) -> Client {
        let sdk: SdkConfig = self.config.aws.load().await;
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(TRY).build();
        // Tried again in one place only, and that is not here.
        let mut config =
            Builder::from(&sdk).timeout_config(timeouts).retry_config(RetryConfig::disabled());
        if let Some(endpoint) = &self.config.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Client::from_conf(config.build())
    }
}

/// The SDK's own bound does not hold while it looks for credentials.
async fn bounded<T, E>(call: impl Future<Output = std::result::Result<T, SdkError<E>>>) -> Result<T>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match tokio::time::timeout(TRY, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(refused(&error)),
        Err(_) => Err(Refused::Unheard("no answer in time".to_owned())),
    }
}

fn refused<E>(error: &SdkError<E>) -> Refused
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match (error.code(), error.message()) {
        // The API has no code of its own for it.
        (Some("ValidationError"), Some(said)) if said.contains("No active Lifecycle Action") => {
            Refused::NoWait
        }
        (Some("ValidationError"), Some(said)) if said.contains("is not in InService") => {
            Refused::NotInService
        }
        (Some(code), said) => {
            let why = said.map_or_else(|| code.to_owned(), |said| format!("{code}: {said}"));
            let failed =
                error.raw_response().is_none_or(|answer| answer.status().is_server_error());
            if failed { Refused::Unheard(why) } else { Refused::Other(why) }
        }
        _ => {
            let mut why = error.to_string();
            let mut cause = std::error::Error::source(error);
            while let Some(error) = cause {
                why = format!("{why}: {error}");
                cause = error.source();
            }
            Refused::Unheard(why)
        }
    }
}
