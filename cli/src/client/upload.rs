use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use reelfleet_runtime::Backoff;
use serde_json::Value;

use super::{
    Failure, Result, http, http::Api, progress::Progress, progress::Sending, render, watch,
};

/// How long an upload is tried again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) first: Duration,
    pub(super) longest: Duration,
    pub(super) tries: u32,
    /// All waits together; a fleet that asks for more is asked again later by its user.
    pub(super) in_all: Duration,
}

impl Patience {
    pub(super) const USUAL: Self = Self {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(15),
        tries: 8,
        in_all: Duration::from_secs(300),
    };
}

/// The API takes no longer title.
const LONGEST_TITLE: usize = 200;

/// A file that can be sent.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    bytes: u64,
    /// What it is called in messages.
    pub(super) name: String,
}

impl Source {
    /// Looks whether a file can be sent at all, before anything is.
    pub(super) fn check(path: &Path) -> Result<Self> {
        let name = render::plain(&path.display().to_string());
        let fail = |what: &str| Failure::File(format!("{name}: {what}"));
        let told = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => fail("no such file"),
            io::ErrorKind::PermissionDenied => fail("you may not read it"),
            _ => fail(&format!("cannot be read: {error}")),
        };
        let metadata = fs::metadata(path).map_err(|error| told(&error))?;
        if metadata.is_dir() {
            return Err(fail("is a folder; name the videos in it"));
        }
        if !metadata.is_file() {
            return Err(fail("is not a regular file; its size must be known to send it"));
        }
        if metadata.len() == 0 {
            return Err(fail("is empty"));
        }
        File::open(path).map_err(|error| told(&error))?;
        Ok(Self { path: path.to_owned(), bytes: metadata.len(), name })
    }

    /// The file's name without its extension, for want of a better title.
    pub(super) fn title(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        stem.chars().filter(|c| !render::is_unprintable(*c)).take(LONGEST_TITLE).collect()
    }
}

/// Sends one file. A lost answer makes no second video: each try carries the same key.
pub(super) fn send(
    api: &Api,
    source: &Source,
    query: &[(&str, &str)],
    patience: Patience,
    progress: &Progress,
) -> Result<Value> {
    let key = format!("{:032x}", rand::random::<u128>());
    let upload = http::Upload { query, bytes: source.bytes, idempotency_key: &key };
    let sending = progress.sending(&source.name, source.bytes);
    let mut backoff = Backoff::new(patience.first, patience.longest);
    let mut left = patience.in_all;
    for attempt in 1.. {
        let mut body = Body::open(source, &sending)?;
        let failure = match api.upload(&upload, &mut body) {
            Ok(video) => return Ok(video),
            Err(_) if body.broken.is_some() => {
                let why = body.broken.unwrap_or_default();
                return Err(Failure::File(format!("{}: {why}", source.name)));
            }
            Err(failure) => failure,
        };
        let asked = match &failure {
            Failure::Problem(problem) => problem.retry_after.map(Duration::from_secs),
            _ => None,
        };
        let wait = asked.unwrap_or_else(|| backoff.next_wait());
        if !failure.is_passing() || attempt >= patience.tries || wait > left {
            return Err(failure);
        }
        left -= wait;
        let again = format!("next try in {}", render::duration(wait.as_secs_f64().ceil()));
        sending.say(&again);
        progress.note(&format!("{}: {failure} ({again})", source.name));
        watch::pause(wait);
        sending.say("");
        api.renew();
    }
    // The loop ends by its last try.
    Err(Failure::Told)
}

/// A file on its way out, exactly as long as was announced.
struct Body<'a> {
    file: File,
    left: u64,
    bytes: u64,
    sending: &'a Sending,
    /// What went wrong on our side of the connection.
    broken: Option<String>,
}

impl<'a> Body<'a> {
    fn open(source: &Source, sending: &'a Sending) -> Result<Self> {
        let file = File::open(&source.path)
            .map_err(|error| Failure::File(format!("{}: {error}", source.name)))?;
        sending.sent(0);
        Ok(Self { file, left: source.bytes, bytes: source.bytes, sending, broken: None })
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..most).filter(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        let read = match self.file.read(buffer) {
            Ok(0) => Err(io::Error::other("it became shorter while it was sent")),
            read => read,
        };
        match &read {
            Ok(read) => self.left = self.left.saturating_sub(*read as u64),
            Err(error) => self.broken = Some(error.to_string()),
        }
        self.sending.sent(self.bytes - self.left);
        read
    }
}
