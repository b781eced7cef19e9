use std::{
    io::{BufRead, BufReader, Read},
    sync::RwLock,
    time::Duration,
};

use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::{Agent, Body, RequestBuilder, SendBody, http::Response};

use super::{Failure, Result, connect::Connection, failure::Problem};

/// How long the API may take to begin an answer. After an upload it still syncs the file.
const ANSWER: Duration = Duration::from_secs(60);
const ANSWER_TO_UPLOAD: Duration = Duration::from_secs(300);

/// Streams carry a sign of life more often than this.
const SILENCE: Duration = Duration::from_secs(60);

/// An answer longer than this is none of ours.
const LONGEST_ANSWER: u64 = 16 * 1024 * 1024;

/// What is sent with an upload.
pub(super) struct Upload<'a> {
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) bytes: u64,
    pub(super) idempotency_key: &'a str,
}

/// A fleet's HTTP API.
pub(super) struct Api {
    agent: Agent,
    connection: RwLock<Connection>,
}

impl Api {
    pub(super) fn new(connection: Connection) -> Self {
        Self { agent: agent(&connection.url), connection: RwLock::new(connection) }
    }

    /// Looks whether the fleet was started anew, under another address or token.
    pub(super) fn renew(&self) -> bool {
        let renewed = self.connection().renewed();
        let found = renewed.is_some();
        if let Some(renewed) = renewed {
            *self.connection.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = renewed;
        }
        found
    }

    fn connection(&self) -> Connection {
        self.connection.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// A path of the API as a full address.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.connection().url)
    }

    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let request = self.agent.get(self.url(path)).query_pairs(query.iter().copied());
        self.answer(self.signed(request).call())
    }

    pub(super) fn post(&self, path: &str, body: Option<&Value>) -> Result<Value> {
        let request = self.signed(self.agent.post(self.url(path)));
        self.answer(match body {
            Some(body) => request.send_json(body),
            None => request.send_empty(),
        })
    }

    /// Sends a video. The API may refuse it before it has read it.
    pub(super) fn upload(&self, upload: &Upload<'_>, mut body: impl Read) -> Result<Value> {
        let request = self
            .agent
            .post(self.url("/api/videos"))
            .query_pairs(upload.query.iter().copied())
            .header("Content-Length", upload.bytes)
            .header("Expect", "100-continue")
            .header("Idempotency-Key", upload.idempotency_key)
            .content_type("application/octet-stream");
        let request = self
            .signed(request)
            .config()
            .timeout_recv_response(Some(ANSWER_TO_UPLOAD))
            .timeout_per_read(Some(ANSWER_TO_UPLOAD))
            .build();
        self.answer(request.send(SendBody::from_reader(&mut body)))
    }

    /// Opens the stream of a video's events.
    pub(super) fn events(&self, video: &str) -> Result<impl BufRead + use<>> {
        let request = self.agent.get(self.url(&format!("/api/videos/{video}/events")));
        let request = self
            .signed(request.header("Accept", "text/event-stream"))
            .config()
            .timeout_recv_body(None)
            .build();
        let response = request.call().map_err(|error| self.unreachable(&error))?;
        if response.status() == 200 {
            Ok(BufReader::new(response.into_body().into_reader()))
        } else {
            Err(self.refusal(response))
        }
    }

    fn signed<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        let connection = self.connection();
        request.header("Authorization", format!("Bearer {}", connection.token.expose_secret()))
    }

    fn answer(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Value> {
        let mut response = answer.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        if response.status() == 204 {
            return Ok(Value::Null);
        }
        let body = response.body_mut().with_config().limit(LONGEST_ANSWER);
        body.read_json().map_err(|error| match error {
            ureq::Error::Json(_) | ureq::Error::BodyExceedsLimit(_) => self.stranger(200),
            error => self.unreachable(&error),
        })
    }

    fn refusal(&self, mut response: Response<Body>) -> Failure {
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("Retry-After")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = response.body_mut().with_config().limit(LONGEST_ANSWER);
        let problem = match body.read_json::<Problem>() {
            Ok(problem) if !problem.code.is_empty() => Problem { status, retry_after, ..problem },
            // A proxy in front answers for a fleet that is away.
            _ if matches!(status, 429 | 502..=504) => Problem {
                status,
                retry_after,
                code: format!("http_{status}"),
                detail: "The fleet is not available.".to_owned(),
                ..Problem::default()
            },
            _ => return self.stranger(status),
        };
        if status == 401 {
            let hint = self.connection().token_hint();
            return Failure::Refused { sentence: problem.sentence(), hint };
        }
        Failure::Problem(problem)
    }

    fn stranger(&self, status: u16) -> Failure {
        Failure::Answer(format!(
            "{} answered {status}, but not as a fleet does: is this the right address, and the same version?",
            self.connection().url
        ))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let connection = self.connection();
        Failure::Unreachable {
            url: connection.url.clone(),
            why: error.to_string(),
            hint: connection.away_hint(),
        }
    }
}

/// Reads an answer as what we expect of it.
pub(super) fn read<T: DeserializeOwned>(value: &Value) -> Result<T> {
    T::deserialize(value).map_err(|error| {
        Failure::Answer(format!(
            "the answer was not understood ({error}): does the fleet run another version?"
        ))
    })
}

/// An agent that tells statuses from errors and follows no redirect, because a
/// token is meant for one address only.
pub(super) fn agent(url: &str) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("reelfleet/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(Duration::from_secs(10)))
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_per_write(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .timeout_recv_response(Some(ANSWER))
        .timeout_recv_body(Some(ANSWER));
    // No proxy leads to this machine, whatever the environment says.
    let config = if is_this_machine(url) { config.proxy(None) } else { config };
    config.build().into()
}

fn is_this_machine(url: &str) -> bool {
    let Ok(uri) = url.parse::<ureq::http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
