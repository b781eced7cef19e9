//! What a verified run hands over.

use std::path::PathBuf;

/// The verified result of one video.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Duration of the MP4 in seconds.
    pub duration_s: f64,
    /// Width of the MP4's picture in pixels.
    pub width: u32,
    /// Height of the MP4's picture in pixels.
    pub height: u32,
    /// Every file to publish.
    pub files: Vec<OutputFile>,
}

/// One file to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Its name, without any directory.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its media type.
    pub content_type: &'static str,
}

/// What an output file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// An MP4 to play or download.
    Video,
    /// A still picture.
    Poster,
    /// An HLS playlist.
    Playlist,
    /// A media segment of HLS.
    Segment,
    /// An initialisation segment of HLS.
    Init,
}

impl FileKind {
    /// The stable name of this kind.
    pub const fn name(self) -> &'static str {
        match self {
            FileKind::Video => "video",
            FileKind::Poster => "poster",
            FileKind::Playlist => "playlist",
            FileKind::Segment => "segment",
            FileKind::Init => "init",
        }
    }

    /// The media type of this kind.
    pub const fn content_type(self) -> &'static str {
        match self {
            FileKind::Video | FileKind::Init => "video/mp4",
            FileKind::Poster => "image/jpeg",
            FileKind::Playlist => "application/vnd.apple.mpegurl",
            FileKind::Segment => "video/iso.segment",
        }
    }
}
