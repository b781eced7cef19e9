//! Reader threads: standard error through ffmpeg-sidecar's parser, standard
//! output up to a cap. Neither can grow without bound nor block the child.

use std::cell::Cell;
use std::io::{self, Read};
use std::process::{ChildStderr, ChildStdout};
use std::sync::mpsc::{Receiver, sync_channel};

use ffmpeg_sidecar::event::{FfmpegEvent, FfmpegProgress, LogLevel};
use ffmpeg_sidecar::log_parser::{FfmpegLogParser, parse_time_str};
use tokio::sync::watch;

use super::{Log, Position, Stdout};

/// Longest line kept; the rest of a longer one is dropped.
const LINE_BYTES: usize = 2048;

/// Reads the log to its end.
pub(super) fn log(
    stderr: Option<ChildStderr>,
    position: watch::Sender<Position>,
) -> io::Result<Receiver<Log>> {
    let (tx, rx) = sync_channel(1);
    std::thread::Builder::new().name("media-stderr".into()).spawn(move || {
        let log = stderr.map(|stderr| read_log(stderr, &position)).unwrap_or_default();
        let _ = tx.send(log);
    })?;
    Ok(rx)
}

fn read_log(stderr: impl Read, position: &watch::Sender<Position>) -> Log {
    let mut parser = FfmpegLogParser::new(ShortLines { inner: stderr, line: 0 });
    let mut log = Log::default();
    loop {
        match parser.parse_next_event() {
            Ok(FfmpegEvent::LogEOF) => return log,
            Ok(FfmpegEvent::Progress(progress)) => {
                position.send_replace(to_position(&progress));
            }
            Ok(FfmpegEvent::Log(level, line)) => {
                let is_error = matches!(level, LogLevel::Error | LogLevel::Fatal);
                log.push(&line, is_error);
            }
            Ok(_) => {}
            // A broken pipe ends the log; a line the parser dislikes does not.
            Err(err) if err.is::<io::Error>() => return log,
            Err(_) => {}
        }
    }
}

fn to_position(progress: &FfmpegProgress) -> Position {
    Position {
        frame: u64::from(progress.frame),
        time_s: parse_time_str(&progress.time).unwrap_or(0.0),
        speed: f64::from(progress.speed),
    }
}

/// Reads standard output to its end or its cap.
pub(super) fn stdout(stdout: Option<ChildStdout>, what: Stdout) -> io::Result<Receiver<Vec<u8>>> {
    let (tx, rx) = sync_channel(1);
    match (what, stdout) {
        (Stdout::Keep(cap), Some(pipe)) => {
            std::thread::Builder::new().name("media-stdout".into()).spawn(move || {
                let mut kept = Vec::new();
                // Dropping the pipe at the cap ends a child that writes on.
                let _ = pipe.take(cap as u64).read_to_end(&mut kept);
                let _ = tx.send(kept);
            })?;
        }
        // Dropped here: a write to it ends the child.
        (Stdout::Closed, pipe) => drop(pipe),
        (Stdout::Keep(_), None) => {}
    }
    Ok(rx)
}

/// A reader that passes at most [`LINE_BYTES`] of any line.
struct ShortLines<R> {
    inner: R,
    line: usize,
}

impl<R: Read> Read for ShortLines<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.inner.read(buf)?;
            if read == 0 {
                return Ok(0);
            }
            // What is kept moves to the front, never overtaking what is read.
            let cells = Cell::from_mut(&mut *buf).as_slice_of_cells();
            let mut front = cells.iter();
            let mut kept = 0;
            for byte in cells.iter().take(read).map(Cell::get) {
                let ends = byte == b'\n' || byte == b'\r';
                if (ends || self.line < LINE_BYTES)
                    && let Some(place) = front.next()
                {
                    place.set(byte);
                    kept += 1;
                }
                self.line = if ends { 0 } else { self.line.saturating_add(1) };
            }
            // Zero would mean the end of the stream.
            if kept > 0 {
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_line_is_cut_and_the_next_one_still_read() {
        let mut text = "[error] ".to_owned();
        text.push_str(&"x".repeat(1 << 20));
        text.push_str("\n[error] second\n");
        let log = read_log(text.as_bytes(), &watch::channel(Position::default()).0);
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), LINE_BYTES);
        assert_eq!(lines[1], "[error] second");
    }

    #[test]
    fn a_stream_line_outside_any_section_does_not_end_the_log() {
        let text = "Stream #0:0: Video: h264, yuv420p, 1x1\n[error] after\n";
        let log = read_log(text.as_bytes(), &watch::channel(Position::default()).0);
        assert_eq!(log.last(), "[error] after");
    }

    #[test]
    fn ffmpegs_statistics_become_a_position() {
        let text = "frame=   34 fps=0.0 q=31.0 q=3.0 size=N/A time=00:00:00.53 bitrate=N/A speed=1.01x    \rframe=   60 fps= 59 q=-1.0 Lq=-1.0 size=N/A time=00:00:01.02 bitrate=N/A speed=1.02x    \n";
        let (tx, rx) = watch::channel(Position::default());
        read_log(text.as_bytes(), &tx);
        let last = *rx.borrow();
        assert_eq!((last.frame, last.time_s), (60, 1.02));
    }
}
