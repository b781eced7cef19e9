//! What is kept of a child's standard error.

use std::collections::VecDeque;

/// The last lines are what explains an end; a flood must not fill memory.
const LINES: usize = 40;

/// A bounded view of a child's log.
///
/// Facts that decide how an end is classified are noted as they pass, so that
/// a flood after them cannot push them out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Log {
    lines: VecDeque<String>,
    /// Lines at level error or worse.
    pub(crate) errors: u64,
    /// An error said the disk is full.
    pub(crate) disk_full: bool,
    /// An error said memory ran out.
    pub(crate) no_memory: bool,
    /// An error said a frame has more pixels than allowed.
    pub(crate) too_large: bool,
    /// An error said a file grew beyond its limit.
    pub(crate) file_too_large: bool,
    /// An error said the container is none of those we allow.
    pub(crate) unlisted_container: bool,
    /// An error said that the input ends within something it announced.
    pub(crate) ended_early: bool,
    /// ffprobe guessed the duration from the bit rate.
    pub(crate) guessed_duration: bool,
}

impl Log {
    /// Takes one line. Only errors are believed: warnings may quote the input.
    pub(crate) fn push(&mut self, line: &str, is_error: bool) {
        if is_error {
            self.errors += 1;
            self.disk_full |=
                line.contains("No space left on device") || line.contains("Disk quota exceeded");
            self.too_large |= line.contains("exceeds specified max pixel count");
            self.file_too_large |= line.contains("File too large");
            self.unlisted_container |= line.contains("Format not on whitelist");
            // Of Matroska, at whichever byte it was cut: the file's size is in its front.
            self.ended_early |= line.contains("File ended prematurely");
            // The second is x264's way to say it.
            self.no_memory |=
                line.contains("Cannot allocate memory") || line.contains("malloc of size");
        }
        self.guessed_duration |= line.contains("Estimating duration from bitrate");
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    /// The last lines, oldest first.
    pub(crate) fn lines(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// True when any kept line contains `text`.
    pub(crate) fn says(&self, text: &str) -> bool {
        self.lines().any(|line| line.contains(text))
    }

    /// The last line, for an operator's message.
    pub(crate) fn last(&self) -> &str {
        self.lines().next_back().unwrap_or("no message")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_keeps_the_last_lines_and_the_facts() {
        let mut log = Log::default();
        log.push("[error] write: No space left on device", true);
        for n in 0..100_000 {
            log.push(&format!("[warning] line {n}"), false);
        }
        assert_eq!(log.lines().count(), LINES);
        assert_eq!(log.last(), "[warning] line 99999");
        assert!(log.disk_full);
        assert_eq!(log.errors, 1);
    }

    #[test]
    fn memory_that_ran_out_is_understood_in_ffmpegs_words_and_in_x264s() {
        for line in [
            "[error] Error while decoding stream #0:0: Cannot allocate memory",
            "x264 [error]: malloc of size 2398976 failed",
        ] {
            let mut log = Log::default();
            log.push(line, true);
            assert!(log.no_memory, "{line}");
        }
    }

    #[test]
    fn a_warning_that_quotes_the_input_is_not_believed() {
        let mut log = Log::default();
        log.push("[warning] title: No space left on device", false);
        assert!(!log.disk_full);
    }
}
