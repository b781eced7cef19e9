use std::io::{self, BufRead, Read};

/// A line longer than this is no event of ours.
const LONGEST_LINE: u64 = 1024 * 1024;

/// One server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: String,
}

/// Reads the next event; none at the end of the stream. What was begun when it ends is dropped.
pub(super) fn next_event(stream: &mut impl BufRead) -> io::Result<Option<Event>> {
    let mut event = Event::default();
    loop {
        let mut line = Vec::new();
        stream.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if line.pop_if(|end| *end == b'\n').is_none() {
            return if line.len() as u64 == LONGEST_LINE {
                Err(io::Error::new(io::ErrorKind::InvalidData, "a line without end"))
            } else {
                Ok(None)
            };
        }
        line.pop_if(|end| *end == b'\r');
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            // Only a comment has an empty name with a colon; an empty line ends the event.
            "" if line.is_empty() && event != Event::default() => return Ok(Some(event)),
            "event" => event.name = value.to_owned(),
            "data" => {
                if !event.data.is_empty() {
                    event.data.push('\n');
                }
                event.data.push_str(value);
                if event.data.len() as u64 > LONGEST_LINE {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "an event without end"));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut stream: &[u8]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        while let Some(event) = next_event(&mut stream).unwrap() {
            found.push((event.name, event.data));
        }
        found
    }

    #[test]
    fn events_are_read_through_comments_and_either_line_end() {
        let stream = b": hello\n\nevent: video\r\ndata: {\"a\":\r\ndata:1}\r\nid: 7\r\n\r\n\n\nevent: end\n\n";
        let found = all(stream);
        let expected =
            [("video".to_owned(), "{\"a\":\n1}".to_owned()), ("end".to_owned(), String::new())];
        assert_eq!(found, expected);
    }

    #[test]
    fn half_an_event_is_none() {
        assert_eq!(all(b"event: video\ndata: {}"), []);
        assert_eq!(all(b"event: video\ndata: {}\n"), []);
    }

    #[test]
    fn a_stream_without_line_ends_is_an_error_not_a_full_memory() {
        let mut stream = io::BufReader::new(io::repeat(b'x'));
        assert!(next_event(&mut stream).is_err());
    }
}
