//! Reads our own HLS playlists, strictly.

use std::fs;
use std::path::Path;

use super::defect::Defect;

/// 4 h of 1-second segments stay far below this.
const MOST_BYTES: u64 = 8 << 20;

/// The text of a playlist.
pub(super) fn read(path: &Path) -> Result<String, Defect> {
    let length = fs::metadata(path)?.len();
    if length > MOST_BYTES {
        return Err("a playlist is too large".into());
    }
    Ok(fs::read_to_string(path)?)
}

/// A media playlist.
#[derive(Debug, PartialEq)]
pub(super) struct Media {
    pub(super) segments: Vec<String>,
    pub(super) duration_s: f64,
}

impl Media {
    /// Accepts only a finished playlist of our own segments.
    pub(super) fn parse(text: &str, init: &str, prefix: &str) -> Result<Media, String> {
        let mut media = Media { segments: Vec::new(), duration_s: 0.0 };
        let mut length = None;
        let (mut ended, mut mapped) = (false, false);
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("#EXTINF:") {
                length = rest
                    .trim_end_matches(',')
                    .parse::<f64>()
                    .ok()
                    .filter(|s| s.is_finite() && *s >= 0.0);
            } else if let Some(rest) = line.strip_prefix("#EXT-X-MAP:") {
                mapped = rest == format!("URI=\"{init}\"");
            } else if line == "#EXT-X-ENDLIST" {
                ended = true;
            } else if !line.is_empty() && !line.starts_with('#') {
                media.duration_s += length.take().ok_or("a segment without a duration")?;
                media.segments.push(segment(line, prefix)?);
            }
        }
        match (text.starts_with("#EXTM3U"), mapped, ended, media.segments.is_empty()) {
            (true, true, true, false) => Ok(media),
            _ => Err("a playlist is incomplete".into()),
        }
    }
}

/// A segment's name: the prefix, digits, `.m4s`, and so no path.
fn segment(line: &str, prefix: &str) -> Result<String, String> {
    let number = line.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(".m4s"));
    match number {
        Some(number) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(line.to_owned())
        }
        _ => Err(format!("a playlist names {line:?}")),
    }
}

/// The master must list exactly our playlists.
pub(super) fn check_master(text: &str, playlists: &[String]) -> Result<(), String> {
    if !text.starts_with("#EXTM3U") {
        return Err("the master playlist is empty".into());
    }
    let listed = |name: &String| {
        text.lines().any(|line| line == name || line.contains(&format!("URI=\"{name}\"")))
    };
    if let Some(missing) = playlists.iter().find(|name| !listed(name)) {
        return Err(format!("the master playlist lacks {missing}"));
    }
    let foreign = text.lines().find(|line| {
        !line.is_empty() && !line.starts_with('#') && !playlists.iter().any(|name| name == line)
    });
    foreign.map_or(Ok(()), |line| Err(format!("the master playlist names {line:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:6.000000,\ns_0.m4s\n#EXTINF:1.5,\ns_1.m4s\n#EXT-X-ENDLIST\n";

    #[test]
    fn a_finished_playlist_gives_its_segments_and_length() {
        let media = Media::parse(GOOD, "i.mp4", "s_").expect("a good playlist");
        assert_eq!(media.segments, ["s_0.m4s", "s_1.m4s"]);
        assert!((media.duration_s - 7.5).abs() < 1e-9);
    }

    #[test]
    fn an_unfinished_or_foreign_playlist_is_refused() {
        for (from, to) in [
            ("#EXT-X-ENDLIST\n", ""),
            ("s_1.m4s", "../s_1.m4s"),
            ("s_1.m4s", "/etc/passwd"),
            ("s_1.m4s", "s_x.m4s"),
            ("#EXTINF:1.5,", "#EXTINF:nan,"),
            ("#EXT-X-MAP:URI=\"i.mp4\"\n", ""),
            ("#EXTM3U", ""),
        ] {
            assert!(
                Media::parse(&GOOD.replace(from, to), "i.mp4", "s_").is_err(),
                "{from} -> {to}"
            );
        }
        assert!(Media::parse("", "i.mp4", "s_").is_err());
    }
}
