//! The queues under one base address, and the requests that are made of them.

use std::{fmt, sync::Arc, time::Duration};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use aws_sdk_sqs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::send_message_batch::SendMessageBatchOutput,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
        DeleteMessageBatchRequestEntry, Message, QueueAttributeName, SendMessageBatchRequestEntry,
    },
};
use reelfleet_job::Lane;

use crate::{Error, config::SqsConfig};

/// The most that SQS takes, or gives, in one request.
pub(super) const TEN: usize = 10;

const CONNECT: Duration = Duration::from_secs(3);

/// One try of a request that has nothing to wait for, and all tries of it together.
const TRY: Duration = Duration::from_secs(3);
const TRIES: Duration = Duration::from_secs(8);

/// One of our queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    Lane(Lane),
    Dead,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lane(lane) => lane.fmt(f),
            Self::Dead => f.write_str("dead"),
        }
    }
}

/// A message as SQS delivers it.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) at: At,
    pub(super) body: String,
    pub(super) handle: String,
}

#[derive(Debug, Clone)]
pub(super) struct Queues {
    quick: Client,
    patient: Client,
    base: Arc<str>,
}

impl Queues {
    /// `patience` is the longest that a receive may be asked to wait.
    pub(super) async fn connect(config: &SqsConfig, patience: Duration) -> Result<Self, Error> {
        let sdk = config.aws.load().await;
        if sdk.region().is_none() {
            return Err(Error::Unfit("no region is known for SQS: set SQS_REGION".to_owned()));
        }
        Ok(Self {
            quick: client(&sdk, TRY, TRIES),
            patient: client(&sdk, patience + TRY, patience + TRIES),
            base: config.base_url.trim_end_matches('/').into(),
        })
    }

    fn url(&self, at: At) -> String {
        format!("{}-{at}", self.base)
    }

    /// Without the host, which may carry a password.
    pub(super) fn name(&self, at: At) -> String {
        format!("{}-{at}", self.base.rsplit('/').next().unwrap_or_default())
    }

    /// Up to ten messages, hidden from others for a while. Without a wait only some of the
    /// servers behind the queue are asked, so that "none" may be wrong; with one, all are.
    pub(super) async fn receive(
        &self,
        at: At,
        max: usize,
        wait_secs: i32,
        hide_secs: i32,
    ) -> Result<Vec<Raw>, Error> {
        let client = if wait_secs == 0 { &self.quick } else { &self.patient };
        let asked = client
            .receive_message()
            .queue_url(self.url(at))
            .max_number_of_messages(i32::try_from(max.min(TEN)).unwrap_or(1))
            .wait_time_seconds(wait_secs)
            .visibility_timeout(hide_secs);
        let answer = asked.send().await.map_err(|error| self.away("receive from", at, &error))?;
        let raw = |message: Message| {
            let (body, handle) = (message.body?, message.receipt_handle?);
            Some(Raw { at, body, handle })
        };
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(raw).collect())
    }

    /// Sends up to ten bodies. Which of them were not confirmed, and why, if any were not.
    pub(super) async fn send(
        &self,
        at: At,
        bodies: Vec<String>,
    ) -> Result<(Vec<usize>, Option<Error>), Error> {
        let count = bodies.len();
        let entries = bodies
            .into_iter()
            .enumerate()
            .map(|(place, body)| {
                let entry = SendMessageBatchRequestEntry::builder().id(place.to_string());
                entry.message_body(body).build().map_err(broken)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let asked =
            self.quick.send_message_batch().queue_url(self.url(at)).set_entries(Some(entries));
        let answer = asked.send().await.map_err(|error| self.away("send to", at, &error))?;
        let unconfirmed = unconfirmed(&answer, count);
        let error = (!unconfirmed.is_empty()).then(|| self.refused("send to", at, answer.failed()));
        Ok((unconfirmed, error))
    }

    /// Deletes up to ten messages.
    pub(super) async fn delete(&self, at: At, handles: Vec<String>) -> Result<(), Error> {
        let entries = handles
            .into_iter()
            .enumerate()
            .map(|(place, handle)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(handle).build().map_err(broken)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let asked =
            self.quick.delete_message_batch().queue_url(self.url(at)).set_entries(Some(entries));
        let answer = asked.send().await.map_err(|error| self.away("delete from", at, &error))?;
        self.but_for_stale("delete from", at, answer.failed())
    }

    /// Makes up to ten messages ready at once.
    pub(super) async fn release(&self, at: At, handles: Vec<String>) -> Result<(), Error> {
        let entries = handles
            .into_iter()
            .enumerate()
            .map(|(place, handle)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder();
                let entry = entry.id(place.to_string()).receipt_handle(handle);
                entry.visibility_timeout(0).build().map_err(broken)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let asked = self.quick.change_message_visibility_batch().queue_url(self.url(at));
        let answer = asked.set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| self.away("release to", at, &error))?;
        self.but_for_stale("release to", at, answer.failed())
    }

    /// Messages that are ready, and in somebody's hand. None where there is no such queue.
    pub(super) async fn depth(&self, at: At) -> Result<Option<(u64, u64)>, Error> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Ready, ApproximateNumberOfMessagesNotVisible as InHand,
        };
        let asked = self.quick.get_queue_attributes().queue_url(self.url(at));
        let answer = match asked.attribute_names(Ready).attribute_names(InHand).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let known = error.as_service_error().is_none_or(|e| !e.is_queue_does_not_exist());
                return if known { Err(self.away("look at", at, &error)) } else { Ok(None) };
            }
        };
        let count = |name| {
            let text = answer.attributes().and_then(|all| all.get(&name));
            text.and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        Ok(Some((count(Ready), count(InHand))))
    }

    fn away<E>(&self, doing: &str, at: At, error: &SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let why = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            _ => chain(error),
        };
        broken(format!("cannot {doing} {}: {why}", self.name(at)))
    }

    fn refused(&self, doing: &str, at: At, failed: &[BatchResultErrorEntry]) -> Error {
        let why = failed.first().map_or_else(
            || "the answer does not name every message".to_owned(),
            |entry| format!("{}: {}", entry.code(), entry.message().unwrap_or_default()),
        );
        broken(format!("cannot {doing} {}: {why}", self.name(at)))
    }

    fn but_for_stale(
        &self,
        doing: &str,
        at: At,
        failed: &[BatchResultErrorEntry],
    ) -> Result<(), Error> {
        let real: Vec<_> = failed.iter().filter(|entry| !is_stale(entry)).cloned().collect();
        if real.is_empty() { Ok(()) } else { Err(self.refused(doing, at, &real)) }
    }
}

fn client(sdk: &SdkConfig, one_try: Duration, all_tries: Duration) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(one_try)
        .operation_timeout(all_tries)
        .build();
    let config = aws_sdk_sqs::config::Builder::from(sdk).timeout_config(timeouts).build();
    Client::from_conf(config)
}

/// Places of those that the answer does not name as sent.
fn unconfirmed(answer: &SendMessageBatchOutput, count: usize) -> Vec<usize> {
    let sent = |place: &usize| answer.successful().iter().any(|e| e.id() == place.to_string());
    (0..count).filter(|place| !sent(place)).collect()
}

/// The delivery is over: the message was deleted, or delivered again since.
fn is_stale(entry: &BatchResultErrorEntry) -> bool {
    let expired = || entry.message().is_some_and(|text| text.contains("receipt handle"));
    match entry.code().rsplit('.').next().unwrap_or_default() {
        "ReceiptHandleIsInvalid" | "MessageNotInflight" => true,
        "InvalidParameterValue" => expired(),
        _ => false,
    }
}

pub(super) fn broken(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Broker { broker: "sqs", source: what.into() }
}

/// An error with what caused it, which the SDK leaves out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(&format!(": {error}"));
        cause = error.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::SendMessageBatchResultEntry;

    use super::*;

    fn failed(id: usize, code: &str, message: &str) -> BatchResultErrorEntry {
        let entry = BatchResultErrorEntry::builder().id(id.to_string()).code(code);
        entry.message(message).sender_fault(false).build().unwrap()
    }

    fn sent(id: usize) -> SendMessageBatchResultEntry {
        let entry = SendMessageBatchResultEntry::builder().id(id.to_string());
        entry.message_id("m").md5_of_message_body("x").build().unwrap()
    }

    #[test]
    fn of_a_batch_only_what_is_named_as_sent_is_confirmed() {
        let answer = |entries: &[usize]| {
            let entries = entries.iter().map(|id| sent(*id)).collect();
            let answer = SendMessageBatchOutput::builder().set_successful(Some(entries));
            let failed = failed(1, "InternalError", "try again");
            answer.set_failed(Some(vec![failed])).build().unwrap()
        };
        assert_eq!(unconfirmed(&answer(&[0, 2, 3]), 4), [1]);
        // Neither sent nor failed: nobody knows.
        assert_eq!(unconfirmed(&answer(&[0, 2]), 4), [1, 3]);
        assert_eq!(unconfirmed(&answer(&[]), 2), [0, 1]);
        assert!(unconfirmed(&answer(&[0, 1]), 2).is_empty());
    }

    #[test]
    fn a_receipt_that_is_too_old_is_no_error_and_anything_else_is() {
        for (code, message, stale) in [
            ("ReceiptHandleIsInvalid", "The input receipt handle is invalid.", true),
            ("AWS.SimpleQueueService.MessageNotInflight", "", true),
            ("InvalidParameterValue", "Reason: The receipt handle has expired.", true),
            ("InvalidParameterValue", "Reason: the timeout is too long", false),
            ("InternalError", "try again", false),
            ("ThrottlingException", "Rate exceeded", false),
        ] {
            assert_eq!(is_stale(&failed(0, code, message)), stale, "{code}: {message}");
        }
    }
}
