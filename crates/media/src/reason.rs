//! Why a video was refused: a closed list of codes, each with one sentence.

use std::fmt;

/// A refusal as it is stored and shown: a stable code and a plain sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Stable `snake_case` code, one of [`Code`].
    pub code: &'static str,
    /// A sentence the video's owner understands.
    pub message: String,
}

/// Every code a [`Reason`] can carry.
///
/// Clients and dashboards match on these: a code is never renamed, only added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The file has no bytes.
    Empty,
    /// No demuxer we allow recognises the file.
    NotAVideo,
    /// A container we recognise but do not accept.
    UnsupportedContainer,
    /// Sound, subtitles or a cover, but no moving picture.
    NoPicture,
    /// The picture is in a codec we do not decode.
    UnsupportedCodec,
    /// The picture is encrypted.
    Encrypted,
    /// Longer than [`Limits::max_duration`](crate::Limits::max_duration).
    TooLong,
    /// More pixels, or a longer side, than the limits allow.
    PictureTooLarge,
    /// Duration times frame rate is beyond [`Limits::max_frames`](crate::Limits::max_frames).
    TooManyFrames,
    /// More frames per second than [`Limits::max_fps`](crate::Limits::max_fps).
    FrameRateTooHigh,
    /// More streams than [`Limits::max_streams`](crate::Limits::max_streams).
    TooManyStreams,
    /// The picture could not be decoded.
    Undecodable,
    /// The file ends before the duration it declares.
    Truncated,
    /// What came out is not what was planned, because of the input.
    OutputMismatch,
    /// The result grew beyond [`Limits::file_size`](crate::Limits::file_size).
    OutputTooLarge,
    /// It used up its processor time.
    TooSlow,
    /// It wanted more memory than [`Limits::memory`](crate::Limits::memory).
    TooMuchMemory,
}

impl Code {
    /// All codes, in the order of the documentation.
    pub const ALL: [Code; 17] = [
        Code::Empty,
        Code::NotAVideo,
        Code::UnsupportedContainer,
        Code::NoPicture,
        Code::UnsupportedCodec,
        Code::Encrypted,
        Code::TooLong,
        Code::PictureTooLarge,
        Code::TooManyFrames,
        Code::FrameRateTooHigh,
        Code::TooManyStreams,
        Code::Undecodable,
        Code::Truncated,
        Code::OutputMismatch,
        Code::OutputTooLarge,
        Code::TooSlow,
        Code::TooMuchMemory,
    ];

    /// The stable text of this code.
    pub const fn code(self) -> &'static str {
        match self {
            Code::Empty => "empty",
            Code::NotAVideo => "not_a_video",
            Code::UnsupportedContainer => "unsupported_container",
            Code::NoPicture => "no_picture",
            Code::UnsupportedCodec => "unsupported_codec",
            Code::Encrypted => "encrypted",
            Code::TooLong => "too_long",
            Code::PictureTooLarge => "picture_too_large",
            Code::TooManyFrames => "too_many_frames",
            Code::FrameRateTooHigh => "frame_rate_too_high",
            Code::TooManyStreams => "too_many_streams",
            Code::Undecodable => "undecodable",
            Code::Truncated => "truncated",
            Code::OutputMismatch => "output_mismatch",
            Code::OutputTooLarge => "output_too_large",
            Code::TooSlow => "too_slow",
            Code::TooMuchMemory => "too_much_memory",
        }
    }

    /// The sentence used when nothing more precise is known.
    pub const fn sentence(self) -> &'static str {
        match self {
            Code::Empty => "The file is empty.",
            Code::NotAVideo => "The file is not a video we can read, or it is damaged.",
            Code::UnsupportedContainer => "This kind of video file is not supported.",
            Code::NoPicture => "The file contains no moving picture.",
            Code::UnsupportedCodec => "The picture is stored in a format that is not supported.",
            Code::Encrypted => "The video is encrypted or copy-protected.",
            Code::TooLong => "The video is too long.",
            Code::PictureTooLarge => "The picture is too large.",
            Code::TooManyFrames => "The video has too many frames.",
            Code::FrameRateTooHigh => "The frame rate is too high.",
            Code::TooManyStreams => "The file contains too many tracks.",
            Code::Undecodable => "The picture is damaged and could not be decoded.",
            Code::Truncated => "The file is incomplete: it ends before the video does.",
            Code::OutputMismatch => "The video is inconsistent and could not be converted.",
            Code::OutputTooLarge => "The converted video would be too large.",
            Code::TooSlow => "The video takes too long to convert.",
            Code::TooMuchMemory => "The video needs too much memory to convert.",
        }
    }

    /// This code with its general sentence.
    pub fn reason(self) -> Reason {
        self.because(self.sentence())
    }

    /// This code with a sentence that says more.
    pub fn because(self, message: impl Into<String>) -> Reason {
        Reason { code: self.code(), message: message.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_distinct_snake_case_and_has_a_full_sentence() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.code()), "{} twice", code.code());
            assert!(code.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(code.sentence().ends_with('.'));
        }
    }
}
