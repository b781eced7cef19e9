use std::{fs::File, io::Read, path::Path, time::Duration};

use serde_json::Value;
use ureq::{Agent, SendBody};

/// A caller with a token.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    /// Address of the API.
    pub url: String,
    /// Bearer token; empty: none is sent.
    pub token: String,
}

/// What came back, whatever the status.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON of the body; null where it is none.
    pub json: Value,
    /// Bytes of the body.
    pub bytes: Vec<u8>,
    /// `Retry-After`, if it was there.
    pub retry_after: Option<String>,
    /// `Location`, if it was there.
    pub location: Option<String>,
}

impl Client {
    /// A caller.
    #[must_use]
    pub fn new(url: &str, token: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(600)))
            .max_redirects(0)
            .build()
            .into();
        Self { agent, url: url.to_owned(), token: token.to_owned() }
    }

    /// The same address with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Calls without a body.
    ///
    /// # Errors
    ///
    /// Nobody answered.
    pub fn call(&self, method: &str, path: &str) -> Result<Answer, String> {
        self.send(method, path, &[], SendBody::none())
    }

    /// Calls with a JSON body.
    ///
    /// # Errors
    ///
    /// Nobody answered.
    pub fn json(&self, method: &str, path: &str, body: &Value) -> Result<Answer, String> {
        let text = body.to_string();
        let mut bytes = text.as_bytes();
        let length = text.len().to_string();
        let headers = [("content-type", "application/json"), ("content-length", length.as_str())];
        self.send(method, path, &headers, SendBody::from_reader(&mut bytes))
    }

    /// Uploads a file as a raw body.
    ///
    /// # Errors
    ///
    /// Nobody answered, or the file cannot be read.
    pub fn upload(&self, file: &Path, query: &str) -> Result<Answer, String> {
        let mut file = File::open(file).map_err(|error| error.to_string())?;
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        self.upload_from(&mut file, length, query)
    }

    /// Uploads a file under an `Idempotency-Key`: repeated, it is one video.
    ///
    /// # Errors
    ///
    /// Nobody answered, or the file cannot be read.
    pub fn upload_once(&self, file: &Path, query: &str, key: &str) -> Result<Answer, String> {
        let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
        let length = bytes.len().to_string();
        let headers = [
            ("content-type", "application/octet-stream"),
            ("content-length", length.as_str()),
            ("idempotency-key", key),
        ];
        let mut bytes = &bytes[..];
        let body = SendBody::from_reader(&mut bytes);
        self.send("POST", &format!("/api/videos?{query}"), &headers, body)
    }

    /// Uploads `length` bytes from a reader.
    ///
    /// # Errors
    ///
    /// Nobody answered.
    pub fn upload_from(
        &self,
        reader: &mut dyn Read,
        length: u64,
        query: &str,
    ) -> Result<Answer, String> {
        let length = length.to_string();
        let headers =
            [("content-type", "application/octet-stream"), ("content-length", length.as_str())];
        self.send("POST", &format!("/api/videos?{query}"), &headers, SendBody::from_reader(reader))
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: SendBody<'_>,
    ) -> Result<Answer, String> {
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|error| error.to_string())?;
        let mut response = self.agent.run(request).map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let header = |name| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(ToOwned::to_owned)
        };
        let (retry_after, location) = (header("retry-after"), header("location"));
        let mut bytes = Vec::new();
        response
            .body_mut()
            .as_reader()
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { status, json, bytes, retry_after, location })
    }
}
