//! What a server answers to a plain request of HTTP.

use std::{
    io::{Read as _, Result, Write as _},
    net::TcpStream,
    time::Duration,
};

/// Head and body.
pub(crate) fn ask(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Whether it is a 200.
pub(crate) fn is_fine(answer: &Result<String>) -> bool {
    let first = |answer: &String| answer.lines().next().is_some_and(|line| line.contains(" 200"));
    answer.as_ref().is_ok_and(first)
}
