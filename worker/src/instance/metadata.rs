//! The instance's metadata service, version 2, by the SDK's client.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_config::imds::{Client, client::error::ImdsError};
use reelfleet_runtime::Timestamp;
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::rule::Target;

/// The service is on the instance's own machine and answers within milliseconds.
const TRY: Duration = Duration::from_millis(800);

/// What is no notice must not end any work.
const NONSENSE: &str = "it says what it never says";

/// One answer. `Ok(None)`: there is no such thing.
type Answer<T> = Result<Option<T>, String>;

#[derive(Debug)]
pub(super) struct Metadata {
    endpoint: Option<String>,
    client: Mutex<Client>,
    id: OnceCell<String>,
}

/// What a look brought, each by itself: one that failed says nothing of the others.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) target: Answer<Target>,
    pub(super) spot: Answer<Timestamp>,
    pub(super) rebalance: Answer<Timestamp>,
}

#[derive(Deserialize)]
struct Interruption {
    time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recommendation {
    notice_time: String,
}

impl Metadata {
    pub(super) fn at(endpoint: Option<String>) -> Self {
        let client = Mutex::new(client(endpoint.as_deref()));
        Self { endpoint, client, id: OnceCell::new() }
    }

    /// The instance's id, as soon as it was told once.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.get().map(String::as_str)
    }

    /// Asks for everything that is watched. `now` stands in for a time that cannot be read.
    pub(super) async fn look(&self, now: Timestamp) -> Look {
        // The first request brings the token, too: the others need not wait for it in vain.
        if let Err(why) = self.learn_id().await {
            return Look { target: Err(why.clone()), spot: Err(why.clone()), rebalance: Err(why) };
        }
        let spot = async {
            let notice = self.get("spot/instance-action").await?;
            notice.map(|text| time_of(&text, |notice: Interruption| notice.time, now)).transpose()
        };
        let rebalance = async {
            let notice = self.get("events/recommendations/rebalance").await?;
            let time = |notice: Recommendation| notice.notice_time;
            notice.map(|text| time_of(&text, time, now)).transpose()
        };
        let (target, spot, rebalance) = tokio::join!(self.target(), spot, rebalance);
        Look { target, spot, rebalance }
    }

    /// Asks where the group wants the instance to go.
    pub(super) async fn target(&self) -> Answer<Target> {
        let Some(word) = self.get("autoscaling/target-lifecycle-state").await? else {
            return Ok(None);
        };
        Target::read(&word).map(Some).ok_or_else(|| NONSENSE.to_owned())
    }

    async fn learn_id(&self) -> Result<(), String> {
        let learn = || async {
            let id = self.get("instance-id").await?.unwrap_or_default();
            let plausible = id.starts_with("i-") && !id.contains(char::is_whitespace);
            if plausible { Ok(id) } else { Err("it does not know its instance".to_owned()) }
        };
        self.id.get_or_try_init(learn).await.map(|_| ())
    }

    async fn get(&self, path: &str) -> Answer<String> {
        let path = format!("/latest/meta-data/{path}");
        // The lock is for taking the client only.
        let client = || self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match status(client().get(&path).await) {
            // The SDK keeps a token for as long as it was promised. One that is void before needs
            // a new client.
            Err(Failed::Status(401)) => {
                *self.client.lock().unwrap_or_else(PoisonError::into_inner) =
                    self::client(self.endpoint.as_deref());
                status(client().get(&path).await)
            }
            answer => answer,
        }
        .map_err(|failed| match failed {
            Failed::Status(status) => format!("it answered {status}"),
            Failed::Away(why) => why,
        })
    }
}

enum Failed {
    Status(u16),
    Away(String),
}

/// Bodies and tokens are not told: this goes into the log.
fn status(
    answer: Result<aws_config::imds::client::SensitiveString, ImdsError>,
) -> Result<Option<String>, Failed> {
    match answer {
        Ok(text) => Ok(Some(text.into())),
        Err(ImdsError::ErrorResponse(error)) => match error.response().status().as_u16() {
            404 => Ok(None),
            status => Err(Failed::Status(status)),
        },
        Err(ImdsError::FailedToLoadToken(_)) => Err(Failed::Away("it gave no token".to_owned())),
        Err(_) => Err(Failed::Away("it did not answer".to_owned())),
    }
}

fn client(endpoint: Option<&str>) -> Client {
    let builder = Client::builder()
        // Looked again in two seconds anyway.
        .max_attempts(1)
        .connect_timeout(TRY)
        .read_timeout(TRY)
        .operation_attempt_timeout(TRY)
        .operation_timeout(TRY);
    match endpoint.map(|endpoint| builder.clone().endpoint(endpoint)) {
        Some(Ok(builder)) => builder.build(),
        // One that cannot be read was refused with the configuration.
        Some(Err(_)) | None => builder.build(),
    }
}

/// The time in a notice; `now` if there is a notice and its time cannot be read.
fn time_of<'a, T: Deserialize<'a>>(
    text: &'a str,
    time: fn(T) -> String,
    now: Timestamp,
) -> Result<Timestamp, String> {
    let notice = serde_json::from_str(text).map_err(|_| NONSENSE.to_owned())?;
    Ok(time(notice).parse().unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_read_as_aws_writes_them_and_nonsense_is_none() {
        let (now, at) = (Timestamp::from_millis(7), Timestamp::from_millis(1_800_000_000_000));
        let spot = |text| time_of(text, |notice: Interruption| notice.time, now);
        assert_eq!(spot(r#"{"action":"terminate","time":"2027-01-15T08:00:00Z"}"#), Ok(at));
        assert_eq!(spot(r#"{"action":"terminate","time":"at noon"}"#), Ok(now));
        for nonsense in ["<html>", "", "{}", r#"{"action":"terminate"}"#] {
            assert!(spot(nonsense).is_err(), "{nonsense}");
        }
        let rebalance = |text| time_of(text, |notice: Recommendation| notice.notice_time, now);
        assert_eq!(rebalance(r#"{"noticeTime":"2027-01-15T08:00:00Z"}"#), Ok(at));
    }
}
