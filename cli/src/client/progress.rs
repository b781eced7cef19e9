use std::{io::Write, sync::Mutex};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

use super::{render, view::Video};

/// How far things are: moving bars on a terminal, plain lines elsewhere.
pub(super) struct Progress {
    bars: Option<MultiProgress>,
    lines: Mutex<Box<dyn Write + Send>>,
}

impl Progress {
    pub(super) fn new(terminal: bool) -> Self {
        Self::to(terminal, Box::new(std::io::stderr()))
    }

    pub(super) fn to(terminal: bool, lines: Box<dyn Write + Send>) -> Self {
        Self { bars: terminal.then(MultiProgress::new), lines: Mutex::new(lines) }
    }

    /// Says something in between, without tearing a bar.
    pub(super) fn note(&self, text: &str) {
        let write = || {
            let mut lines = self.lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            // If nobody can see it, that is no reason to stop.
            let _ = writeln!(lines, "{text}");
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// Takes the bars away, so that results stand alone.
    pub(super) fn end(&self) {
        if let Some(bars) = &self.bars {
            // If nobody can see it, that is no reason to stop.
            let _ = bars.clear();
        }
    }

    fn bar(&self, len: u64, template: &str, name: &str) -> Option<ProgressBar> {
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::new(len).with_style(style).with_prefix(name.to_owned());
        self.bars.as_ref().map(|bars| bars.add(bar))
    }

    /// A file that goes out.
    pub(super) fn sending(&self, name: &str, bytes: u64) -> Sending {
        const TEMPLATE: &str =
            "{prefix:24!} [{bar:24}] {bytes:>11}/{total_bytes} {bytes_per_sec} {msg}";
        if self.bars.is_none() {
            self.note(&format!("{name}: sending {}", HumanBytes(bytes)));
        }
        Sending { bar: self.bar(bytes, TEMPLATE, name) }
    }

    /// A video that is being made.
    pub(super) fn watching(&self, name: &str) -> Watching<'_> {
        const TEMPLATE: &str = "{prefix:24!} [{bar:24}] {percent:>3} % {msg}";
        let bar = self.bar(1000, TEMPLATE, name);
        Watching { progress: self, bar, told: Mutex::default() }
    }
}

/// How far one upload is.
pub(super) struct Sending {
    bar: Option<ProgressBar>,
}

impl Sending {
    pub(super) fn sent(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }

    pub(super) fn say(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How far one video is.
pub(super) struct Watching<'a> {
    progress: &'a Progress,
    bar: Option<ProgressBar>,
    /// Status and tenths that were told last.
    told: Mutex<(String, u64)>,
}

impl Watching<'_> {
    pub(super) fn seen(&self, video: &Video) {
        let status = if video.cancelling && !video.is_final() {
            "cancelling".to_owned()
        } else {
            render::plain(&video.status)
        };
        if let Some(bar) = &self.bar {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates"
            )]
            bar.set_position((video.progress.clamp(0.0, 1.0) * 1000.0) as u64);
            bar.set_message(status.clone());
            if video.is_final() {
                bar.finish();
            }
            return;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let now = (status, (video.progress.clamp(0.0, 1.0) * 10.0) as u64);
        let mut told = self.told.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if *told != now {
            let share = match video.status.as_str() {
                "processing" => format!(" {}", render::percent(video.progress)),
                _ => String::new(),
            };
            self.progress.note(&format!("{}: {}{share}", video.name(), now.0));
            *told = now;
        }
    }
}
