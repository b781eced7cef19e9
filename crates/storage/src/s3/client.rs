use std::time::Duration;

use aws_config::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::{
    Client,
    config::{Builder, StalledStreamProtectionConfig},
};

use super::error::unavailable;
use crate::{Result, S3Config};

/// The slowest pace that a part may be sent at, bytes a second. Several share a home's uplink;
/// one that stands still is given up sooner.
const SLOWEST: u64 = 64 * 1024;

/// How long S3 is waited for. Every try has a bound, and so has the number of tries.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// For a connection.
    pub(crate) connect: Duration,
    /// For an answer, beside what the body takes.
    pub(crate) answer: Duration,
    /// For the answer to a completed upload: S3 may take minutes to put a large one together.
    pub(crate) complete: Duration,
    /// For the next byte in the middle of a body.
    pub(crate) stall: Duration,
    /// For room in memory: others fill their parts as fast as their clients send.
    pub(crate) room: Duration,
    /// Before the first of the further tries; it doubles.
    pub(crate) backoff: Duration,
    /// Tries of one call.
    pub(crate) tries: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(10),
            complete: Duration::from_secs(180),
            stall: Duration::from_secs(20),
            room: Duration::from_secs(300),
            backoff: Duration::from_millis(200),
            tries: 4,
        }
    }
}

impl Patience {
    /// For one try of a call that sends so many bytes.
    pub(super) fn sending(&self, bytes: usize) -> Builder {
        let body = Duration::from_secs((bytes as u64).div_ceil(SLOWEST));
        self.trying(self.answer.saturating_add(body))
    }

    /// For one try of the call that completes an upload.
    pub(super) fn completing(&self) -> Builder {
        self.trying(self.complete)
    }

    fn trying(&self, time: Duration) -> Builder {
        Builder::new().timeout_config(self.timeouts(time))
    }

    fn timeouts(&self, time: Duration) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(time)
            .build()
    }
}

pub(super) async fn connect(config: &S3Config, patience: &Patience) -> Result<Client> {
    let stall = StalledStreamProtectionConfig::enabled().grace_period(patience.stall).build();
    let retry = RetryConfig::standard()
        .with_max_attempts(patience.tries)
        .with_initial_backoff(patience.backoff);
    let sdk = config.aws.load().await;
    if sdk.region().is_none() {
        return Err(unavailable("the bucket's region is not known: set S3_REGION".to_owned()));
    }
    // Emulators and other stores are not found under a name for each bucket.
    let by_path = sdk.endpoint_url().is_some();
    let client = Builder::from(&sdk)
        .timeout_config(patience.timeouts(patience.answer))
        .stalled_stream_protection(stall)
        .retry_config(retry)
        .force_path_style(by_path);
    Ok(Client::from_conf(client.build()))
}
