//! Values to `CloudWatch`, and whether it is safe to send them again.

use std::{error::Error as _, io::ErrorKind, time::Duration};

use aws_config::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_cloudwatch::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError},
    operation::put_metric_data::PutMetricDataError,
    primitives::DateTime,
    types::{Dimension, MetricDatum, StandardUnit},
};
use reelfleet_runtime::Timestamp;
use reelfleet_scaling::metric::Published;

use crate::PublisherConfig;

/// Where the metrics are.
pub(crate) const NAMESPACE: &str = "Reelfleet";

/// A call that takes longer is given up. Whether it had an effect nobody knows then.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why values were not taken.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Short, and the same each time: to see when it changes.
    pub(crate) why: String,
    /// The same with all that is known.
    pub(crate) error: String,
    /// Surely nothing was taken: the same values may be sent again.
    pub(crate) again: bool,
}

#[derive(Debug)]
pub(crate) struct CloudWatch {
    client: Client,
    dimension: Dimension,
    resolution: Option<i32>,
}

impl CloudWatch {
    pub(crate) async fn new(config: &PublisherConfig) -> Self {
        let sdk = config.aws.load().await;
        let own = aws_sdk_cloudwatch::config::Builder::from(&sdk)
            // The SDK would send again what may have been taken: its sum would be wrong then.
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build());
        let dimension = Dimension::builder().name("Environment").value(&config.environment);
        // Below a minute only metrics of high resolution can be read.
        let resolution = (config.period < Duration::from_secs(60)).then_some(1);
        Self { client: Client::from_conf(own.build()), dimension: dimension.build(), resolution }
    }

    /// All values of a period in one call.
    pub(crate) async fn put(&self, slot: Timestamp, values: &Published) -> Result<(), Refused> {
        let at = DateTime::from_millis(slot.as_millis());
        let data = named(values).map(|(name, unit, value)| {
            MetricDatum::builder()
                .metric_name(name)
                .dimensions(self.dimension.clone())
                .timestamp(at)
                .unit(unit)
                .value(value)
                .set_storage_resolution(self.resolution)
                .build()
        });
        let put = self.client.put_metric_data().namespace(NAMESPACE);
        match put.set_metric_data(Some(data.into())).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(refused(&error)),
        }
    }
}

/// The published values by their names.
pub(crate) fn named(values: &Published) -> [(&'static str, StandardUnit, f64); 8] {
    [
        ("BacklogPerWorker", StandardUnit::Count, values.backlog_per_worker),
        ("BacklogSecondsPerWorker", StandardUnit::Seconds, values.backlog_seconds_per_worker),
        ("JobsWaiting", StandardUnit::Count, values.jobs_waiting as f64),
        ("JobsRunning", StandardUnit::Count, values.jobs_running as f64),
        ("WorkersActive", StandardUnit::Count, f64::from(values.workers_active)),
        ("OldestWaitingSeconds", StandardUnit::Seconds, values.oldest_waiting_seconds),
        ("JobsDead", StandardUnit::Count, values.jobs_dead as f64),
        ("JobsFailing", StandardUnit::Count, values.jobs_failing as f64),
    ]
}

fn refused(error: &SdkError<PutMetricDataError>) -> Refused {
    let (why, again) = match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or("an error without a code");
            // An answer of a server that failed does not say how far it had come.
            (code.to_owned(), is_refusal(code, answer.raw().status().as_u16()))
        }
        SdkError::ConstructionFailure(_) => ("it could not be asked".to_owned(), true),
        SdkError::DispatchFailure(_) => ("it could not be reached".to_owned(), never_left(error)),
        _ => ("it did not answer in time".to_owned(), false),
    };
    Refused { why, error: DisplayErrorContext(error).to_string(), again }
}

/// Too fast, not now, or not allowed yet, as after a role was changed.
fn is_refusal(code: &str, status: u16) -> bool {
    status < 500 || code.contains("Throttl") || status == 503
}

/// No connection came about, so nothing was sent.
fn never_left(error: &SdkError<PutMetricDataError>) -> bool {
    use ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    let mut cause = error.source();
    while let Some(error) = cause {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(kind, Some(ConnectionRefused | HostUnreachable | NetworkUnreachable)) {
            return true;
        }
        cause = error.source();
    }
    false
}
