//! A connection that need not behave: cut, slow, or with bytes that no client library sends.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::{Answer, Client};

/// Where a form's parts are divided.
const BOUNDARY: &str = "----reelfleet-e2e";

/// One HTTP connection, by hand.
#[derive(Debug)]
pub struct Wire(TcpStream);

impl Wire {
    /// Connects.
    ///
    /// # Panics
    ///
    /// Nobody listens.
    #[must_use]
    pub fn open(client: &Client) -> Self {
        let address = client.url.trim_start_matches("http://");
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{error}"));
        let patience = Some(Duration::from_secs(120));
        let _ = stream.set_read_timeout(patience).and_then(|()| stream.set_write_timeout(patience));
        Self(stream)
    }

    /// Connects and sends the head of an upload of so many bytes; with none, in chunks.
    #[must_use]
    pub fn upload(client: &Client, content_type: &str, length: Option<u64>) -> Self {
        let mut wire = Self::open(client);
        let framing = length.map_or("Transfer-Encoding: chunked".to_owned(), |bytes| {
            format!("Content-Length: {bytes}")
        });
        let head = format!(
            "POST /api/videos HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Type: {content_type}\r\n{framing}\r\n\r\n",
            client.token
        );
        let _ = wire.send(head.as_bytes());
        wire
    }

    /// Sends bytes as they are. False: the other end has hung up.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).and_then(|()| self.0.flush()).is_ok()
    }

    /// Sends bytes as one chunk.
    pub fn send_chunk(&mut self, bytes: &[u8]) -> bool {
        self.send(format!("{:x}\r\n", bytes.len()).as_bytes())
            && self.send(bytes)
            && self.send(b"\r\n")
    }

    /// Sends the same chunk again and again until there is an answer, and reads that.
    #[must_use]
    pub fn send_until_answered(mut self, chunk: &[u8]) -> Answer {
        // Without looking, a client would go on until the server hangs up on it, much later, and
        // what it was told may be lost with the connection.
        while !self.is_answered() && self.send_chunk(chunk) {}
        self.answer()
    }

    /// Whether there is something to read, or nothing more will come.
    fn is_answered(&self) -> bool {
        let _ = self.0.set_nonblocking(true);
        let seen = self.0.peek(&mut [0]);
        let _ = self.0.set_nonblocking(false);
        !seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads the answer to its end. Status 0: the connection ended without one.
    #[must_use]
    pub fn answer(mut self) -> Answer {
        let mut all = Vec::new();
        // An answer may be followed by a reset, if not all of the request was read.
        let _ = self.0.read_to_end(&mut all);
        let end = all.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(all.len());
        let head = String::from_utf8_lossy(all.get(..end).unwrap_or_default()).into_owned();
        let bytes = all.get(end + 4..).unwrap_or_default().to_vec();
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (found, value) = line.split_once(':')?;
                found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        let (retry_after, location) = (header("retry-after"), header("location"));
        Answer { status, json, bytes, retry_after, location }
    }
}

/// Uploads as a browser does, under a file name of any bytes.
#[must_use]
pub fn upload_form(client: &Client, file_name: &[u8], content: &[u8]) -> Answer {
    let mut body =
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"")
            .into_bytes();
    body.extend_from_slice(file_name);
    body.extend_from_slice(b"\"\r\nContent-Type: video/mp4\r\n\r\n");
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let mut wire = Wire::upload(client, &content_type, Some(body.len() as u64));
    wire.send(&body);
    wire.answer()
}
