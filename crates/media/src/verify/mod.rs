//! Checks what a run left behind, in-process: an exit code proves nothing.
//!
//! No second ffprobe: it costs 0.1 s to start, and these are our own files.
//! They were written by a program that read hostile input, though, so they are
//! read with bounds, by safe code, and never through a link.

mod defect;
mod jpeg;
mod mp4;
mod playlist;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::plan::{Expected, MASTER, MP4, POSTER};
use crate::{
    Code, Error, FileKind, JobDir, Limits, Output, OutputFile, Plan, RunReport, Strategy, Tools,
};
use defect::wrong;
use mp4::Movie;

/// A duration may be off by this many seconds …
const TOLERANCE_S: f64 = 1.0;
/// … or by this part, whichever is more.
const TOLERANCE: f64 = 0.02;

/// Less free space than this after a defect means the disk filled up.
const FULL_BYTES: u64 = 4 << 20;

/// Checks every output of `plan` and lists what is to be published. What the
/// run reported can only be held against it.
pub async fn verify(
    _tools: &Tools,
    plan: &Plan,
    report: &RunReport,
    dir: &JobDir,
    limits: &Limits,
    stop: &CancellationToken,
) -> Result<Output, Error> {
    let (out, expected, strategy) = (dir.out(), plan.expected.clone(), plan.strategy);
    let (max_frames, ended_early) = (limits.max_frames, report.ended_early);
    let checked = tokio::task::spawn_blocking(move || {
        let (expected, files) = (&expected, Vec::new());
        let mut check = Check { out: &out, expected, strategy, max_frames, ended_early, files };
        match check.all() {
            // What looks wrong on a full disk is the disk's fault.
            Err(Error::Rejected(_)) if is_full(&out) => {
                Err(Error::Failed("the disk is full".into()))
            }
            done => done,
        }
    });
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Error::Stopped),
        done = checked => done.unwrap_or_else(|err| Err(if err.is_panic() {
            // A panic in a parser on files made from hostile input is their fault.
            Code::OutputMismatch.into()
        } else {
            Error::Failed("the check of the outputs was given up".into())
        })),
    }
}

fn is_full(out: &Path) -> bool {
    rustix::fs::statvfs(out).is_ok_and(|disk| {
        disk.f_bavail.saturating_mul(disk.f_frsize) < FULL_BYTES
            || (disk.f_files > 0 && disk.f_favail == 0)
    })
}

struct Check<'a> {
    out: &'a Path,
    expected: &'a Expected,
    strategy: Strategy,
    max_frames: u64,
    /// The input ends early, as ffmpeg said.
    ended_early: bool,
    files: Vec<OutputFile>,
}

impl Check<'_> {
    fn all(&mut self) -> Result<Output, Error> {
        let duration_s = self.movie()?;
        if self.expected.poster {
            self.poster()?;
        }
        if !self.expected.rungs.is_empty() {
            self.ladder(duration_s)?;
        }
        Ok(Output {
            duration_s,
            width: self.expected.size.width,
            height: self.expected.size.height,
            files: std::mem::take(&mut self.files),
        })
    }

    /// Notes an output file. It must be a plain, non-empty file of this name:
    /// a link could make the caller publish something else.
    fn take(&mut self, name: &str, kind: FileKind) -> Result<PathBuf, Error> {
        let path = self.out.join(name);
        let facts = match fs::symlink_metadata(&path) {
            Ok(facts) => facts,
            Err(err) if self.was_never_made(&err, kind) => return Err(self.nothing()),
            Err(err) => return Err(Error::io("looking at an output", &err)),
        };
        if !facts.is_file() || facts.len() == 0 {
            return Err(self.nothing());
        }
        self.files.push(OutputFile {
            name: name.to_owned(),
            kind,
            path: path.clone(),
            bytes: facts.len(),
            content_type: kind.content_type(),
        });
        Ok(path)
    }

    /// ffmpeg opens an output with its first packet: one that is missing had
    /// none. A segment is listed only once it was written, though, and without
    /// the directory nothing is known.
    fn was_never_made(&self, err: &io::Error, kind: FileKind) -> bool {
        err.kind() == io::ErrorKind::NotFound && kind != FileKind::Segment && self.out.is_dir()
    }

    /// No frame came out.
    fn nothing(&self) -> Error {
        if self.expected.encrypted { Code::Encrypted.into() } else { Code::Undecodable.into() }
    }

    fn movie(&mut self) -> Result<f64, Error> {
        let path = self.take(MP4, FileKind::Video)?;
        let movie = Movie::read(&path).map_err(wrong)?;
        let picture = movie.picture.as_ref().ok_or_else(|| self.nothing())?;
        if picture.samples <= self.expected.card_frames {
            return Err(self.nothing());
        }
        if !movie.starts_fast {
            return Err(wrong("the index is not in front"));
        }
        picture.check(self.expected.size).map_err(wrong)?;
        if movie.sound.is_none() && self.expected.sound {
            return Err(wrong("the sound is missing"));
        }
        self.length(&movie, picture)?;
        Ok(movie.duration_s())
    }

    /// Compares durations with what the source declared.
    fn length(&self, movie: &Movie, picture: &mp4::Track) -> Result<(), Error> {
        let expected = self.expected;
        let whole_s = if self.ended_early { expected.whole_if_cut_s } else { expected.whole_s };
        let declared = [(expected.picture_s, picture.duration_s), (whole_s, movie.duration_s())];
        for (least, got) in declared {
            if let Some(least) = least
                && got < least - tolerance(least)
            {
                let sentence = format!(
                    "The file is incomplete: only {got:.0} of {least:.0} seconds could be read."
                );
                return Err(Code::Truncated.because(sentence).into());
            }
        }
        let cut = expected.cut_s;
        let reached = movie.duration_s() - expected.cards_s >= cut - tolerance(cut).min(cut / 2.0);
        if reached && !expected.cut_is_wanted {
            let declared = expected.picture_s.or(expected.whole_s).is_some();
            return Err(if declared {
                wrong("its timestamps are broken")
            } else {
                Code::TooLong.into()
            });
        }
        if self.strategy == Strategy::Encode && picture.samples >= self.max_frames {
            return Err(Code::TooManyFrames.into());
        }
        Ok(())
    }

    fn poster(&mut self) -> Result<(), Error> {
        let path = self.take(POSTER, FileKind::Poster)?;
        jpeg::check(&path, self.expected.size).map_err(wrong)
    }

    fn ladder(&mut self, duration_s: f64) -> Result<(), Error> {
        let rungs = self.expected.rungs.clone();
        let master = self.take(MASTER, FileKind::Playlist)?;
        let mut names: Vec<(&str, Option<crate::Size>)> =
            rungs.iter().map(|rung| (rung.name.as_str(), Some(rung.size))).collect();
        if self.expected.sound {
            names.push(("audio", None));
        }
        let playlists: Vec<String> =
            names.iter().map(|(name, _)| Expected::playlist(name)).collect();
        playlist::check_master(&playlist::read(&master).map_err(wrong)?, &playlists)
            .map_err(wrong)?;
        for (name, size) in names {
            self.rung(name, size, duration_s)?;
        }
        Ok(())
    }

    fn rung(
        &mut self,
        name: &str,
        size: Option<crate::Size>,
        duration_s: f64,
    ) -> Result<(), Error> {
        let path = self.take(&Expected::playlist(name), FileKind::Playlist)?;
        let text = playlist::read(&path).map_err(wrong)?;
        let list =
            playlist::Media::parse(&text, &Expected::init(name), &Expected::segment_prefix(name))
                .map_err(wrong)?;
        let init = self.take(&Expected::init(name), FileKind::Init)?;
        let movie = Movie::read(&init).map_err(wrong)?;
        match (size, &movie.picture, &movie.sound) {
            (Some(size), Some(picture), _) => picture.check(size).map_err(wrong)?,
            (None, _, Some(_)) => {}
            _ => return Err(wrong("a rung lacks its track")),
        }
        for segment in &list.segments {
            let path = self.take(segment, FileKind::Segment)?;
            mp4::check_segment(&path).map_err(wrong)?;
        }
        // A rung may be shorter than the whole by what the other track adds.
        let least = if size.is_some() {
            self.expected.picture_s.unwrap_or(0.0).min(duration_s)
        } else {
            0.0
        };
        if list.duration_s < least - tolerance(least) {
            return Err(wrong("a playlist is too short"));
        }
        Ok(())
    }
}

fn tolerance(seconds: f64) -> f64 {
    TOLERANCE_S.max(seconds * TOLERANCE)
}
