//! A small HTTP server for tests: it answers as it is told and remembers what it was asked.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How many came before.
    pub(crate) nth: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// The connection breaks before the answer.
    Break,
}

impl Reply {
    pub(crate) fn json(status: u16, body: impl Into<String>) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self::Answer { status, headers, body: body.into() }
    }

    pub(crate) fn problem(status: u16, code: &str, detail: &str, retry_after: Option<u64>) -> Self {
        let mut headers = vec![("Content-Type", "application/problem+json".to_owned())];
        headers.extend(retry_after.map(|seconds| ("Retry-After", seconds.to_string())));
        let body = serde_json::json!({"status": status, "code": code, "detail": detail});
        Self::Answer { status, headers, body: body.to_string() }
    }

    pub(crate) fn events(body: impl Into<String>) -> Self {
        let headers = vec![("Content-Type", "text/event-stream".to_owned())];
        Self::Answer { status: 200, headers, body: body.into() }
    }
}

pub(crate) struct Fake {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// Answers each request by its head. A refusal is sent before the body is read, if the client waits for it.
    pub(crate) fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || serve(&connection, &seen, &*answer));
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut connection: &TcpStream,
    seen: &Mutex<Vec<Request>>,
    answer: &dyn Fn(&Request) -> Reply,
) {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return };
    let mut request = Request { method, path, ..Request::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        request.headers.push((name.to_lowercase(), value.to_owned()));
    }
    let position = {
        let mut seen = seen.lock().unwrap();
        request.nth = seen.len();
        seen.push(request.clone());
        request.nth
    };
    let reply = answer(&request);
    let refused = matches!(&reply, Reply::Answer { status, .. } if *status >= 400);
    let waits = request.header("expect").is_some();
    if !(refused && waits) {
        if waits {
            connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        }
        let length = request.header("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        seen.lock().unwrap()[position].body = body;
    }
    if let Reply::Answer { status, headers, body } = reply {
        let mut text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        // The client may have left already; what it saw is its test's matter.
        let _ = connection.write_all(text.as_bytes());
    }
}
