use axum::http::HeaderMap;
use reelfleet_job::Priority;

use crate::{
    config::ApiConfig,
    problem::{Answer, Problem, codes},
};

/// Characters of the longest title.
const LONGEST_TITLE: usize = 200;
/// Characters of the longest `Idempotency-Key`.
const LONGEST_KEY: usize = 255;
/// The title of a video that has none.
const UNTITLED: &str = "Untitled";

/// What an upload says about itself, as far as it has been said.
#[derive(Debug, Default)]
pub(super) struct Details {
    title: Option<String>,
    filename: Option<String>,
    profile: Option<String>,
    priority: Option<Priority>,
}

/// The same, with everything decided.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) title: String,
    pub(super) profile: String,
    pub(super) priority: Priority,
}

impl Details {
    /// Takes one named value. False if the name is none of ours or was there before.
    pub(super) fn set(&mut self, config: &ApiConfig, name: &str, value: &str) -> Answer<bool> {
        let seen = match name {
            "title" => self.title.replace(check_title(value)?).is_some(),
            "profile" => self.profile.replace(check_profile(config, value)?).is_some(),
            "priority" => self.priority.replace(check_priority(value)?).is_some(),
            _ => return Ok(false),
        };
        Ok(!seen)
    }

    /// The uploaded file's name: the title of last resort, and nothing else.
    pub(super) fn set_filename(&mut self, name: &str) {
        self.filename = title_from(name);
    }

    pub(super) fn settle(self, config: &ApiConfig) -> Settled {
        // An empty title counts as none, as forms send it.
        let title = self.title.filter(|title| !title.is_empty()).or(self.filename);
        Settled {
            title: title.unwrap_or_else(|| UNTITLED.to_owned()),
            profile: self.profile.unwrap_or_else(|| config.default_profile.clone()),
            priority: self.priority.unwrap_or_default(),
        }
    }
}

fn check_title(title: &str) -> Answer<String> {
    let title = title.trim();
    if title.chars().count() > LONGEST_TITLE || title.chars().any(is_unprintable) {
        return Err(Problem::new(
            &codes::BAD_TITLE,
            "A title has at most 200 characters and no control characters.",
        ));
    }
    Ok(title.to_owned())
}

/// Control characters, and those that turn the direction of the text around them.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn check_profile(config: &ApiConfig, name: &str) -> Answer<String> {
    let name = if name.is_empty() { &config.default_profile } else { name };
    if config.profiles.iter().any(|profile| profile.name == name) {
        return Ok(name.to_owned());
    }
    let names: Vec<_> = config.profiles.iter().map(|profile| profile.name.as_str()).collect();
    Err(Problem::new(
        &codes::UNKNOWN_PROFILE,
        format!("There is no such profile. There are: {}.", names.join(", ")),
    ))
}

fn check_priority(name: &str) -> Answer<Priority> {
    if name.is_empty() {
        return Ok(Priority::default());
    }
    name.parse().map_err(|_unknown| {
        Problem::new(&codes::UNKNOWN_PRIORITY, "A priority is `high`, `normal` or `low`.")
    })
}

/// A title made of a file's name: without folders, extension and what cannot be shown.
fn title_from(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next()?;
    let stem = match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    };
    let title: String = stem.chars().filter(|c| !is_unprintable(*c)).take(LONGEST_TITLE).collect();
    let title = title.trim().trim_matches('.').trim();
    (!title.is_empty()).then(|| title.to_owned())
}

/// The client's `Idempotency-Key`.
pub(super) fn key_of(headers: &HeaderMap) -> Answer<Option<String>> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| {
        (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    });
    match (key, values.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        _ => Err(Problem::new(
            &codes::BAD_IDEMPOTENCY_KEY,
            "An idempotency key is 1 to 255 visible ASCII characters.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_becomes_a_title_without_folders_and_extension() {
        let long = format!("{}.mp4", "ü".repeat(300));
        let cut = "ü".repeat(200);
        for (name, title) in [
            ("holiday.mp4", Some("holiday")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\films\\a b.mov", Some("a b")),
            ("a%03d.mp4", Some("a%03d")),
            ("-x.mp4", Some("-x")),
            ("a\0b\n.mp4", Some("ab")),
            (".mp4", Some("mp4")),
            ("..", None),
            ("", None),
            ("x/", None),
            ("gpj.\u{202e}4pm.mp4", Some("gpj.4pm")),
            (long.as_str(), Some(cut.as_str())),
        ] {
            assert_eq!(title_from(name).as_deref(), title, "{name:?}");
        }
    }

    #[test]
    fn a_title_is_trimmed_and_limited_in_characters_not_bytes() {
        assert_eq!(check_title(" a b ").unwrap(), "a b");
        assert!(check_title(&"日".repeat(200)).is_ok());
        for title in ["a\0b", "a\nb", &"a".repeat(201)] {
            assert_eq!(*check_title(title).unwrap_err().code, codes::BAD_TITLE, "{title:?}");
        }
    }

    #[test]
    fn a_key_is_visible_ascii() {
        for (key, good) in [
            ("a", true),
            (&"k".repeat(255), true),
            (&"k".repeat(256), false),
            ("", false),
            ("a b", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("idempotency-key", key.parse().unwrap());
            assert_eq!(key_of(&headers).is_ok(), good, "{key:?}");
        }
        assert_eq!(key_of(&HeaderMap::new()).unwrap(), None);
    }
}
