//! How numbers and moments are written for people. The scripts write them in the same way.

use minijinja::Environment;

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("bytes", bytes);
    environment.add_filter("clock", clock);
    environment.add_filter("in_query", in_query);
    environment.add_filter("moment", moment);
    environment.add_filter("percent", percent);
    environment.add_filter("saved_for", saved_for);
    environment.add_filter("span", span);
}

/// A size in the units that disks and networks are sold in.
fn bytes(size: f64) -> String {
    let mut rest = size;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if rest < 1000.0 {
            break;
        }
        rest /= 1000.0;
        unit = next;
    }
    if unit == "B" || rest >= 100.0 {
        format!("{rest:.0} {unit}")
    } else {
        format!("{rest:.1} {unit}")
    }
}

/// The length of a film, as players show it.
fn clock(seconds: f64) -> String {
    let all = whole(seconds);
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// How long something takes, as precise as it is of use.
fn span(seconds: f64) -> String {
    match whole(seconds) {
        0 => "under 1 s".to_owned(),
        s @ 1..100 => format!("{s} s"),
        s @ 100..5400 => format!("{} min", (s + 30) / 60),
        s @ 5400..172_800 => format!("{:.1} h", s as f64 / 3600.0),
        s => format!("{} days", (s + 43_200) / 86_400),
    }
}

/// Rounded, and zero for what is no time at all.
fn whole(seconds: f64) -> u64 {
    // A cast from a float keeps within the bounds of the integer.
    seconds.round().max(0.0) as u64
}

/// A part from 0 to 1. Only what is finished is called 100 %.
fn percent(part: f64) -> String {
    format!("{} %", (part.clamp(0.0, 1.0) * 100.0).floor())
}

/// A moment in RFC 3339, shortened to what is read without a script.
fn moment(at: &str) -> String {
    match (at.get(..10), at.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => at.to_owned(),
    }
}

/// A value as it stands in a query.
pub(super) fn in_query(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

/// What a downloaded file is called: after the video, with the ending of what it is.
fn saved_for(name: &str, title: &str) -> String {
    let is_ending =
        |end: &str| (1..=5).contains(&end.len()) && end.chars().all(|c| c.is_ascii_alphanumeric());
    let stem = match title.rsplit_once('.') {
        Some((stem, end)) if is_ending(end) && !stem.is_empty() => stem,
        _ => title,
    };
    match name.rsplit_once('.') {
        Some((_, end)) if is_ending(end) => format!("{stem}.{end}"),
        _ => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_at_most() {
        let table = [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1000.0, "1.0 kB"),
            (48_312_345.0, "48.3 MB"),
            (241_000_000.0, "241 MB"),
            (2.5e12, "2.5 TB"),
            (1.5e16, "15000 TB"),
        ];
        for (size, text) in table {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn lengths_of_films_are_clocks() {
        for (seconds, text) in [(0.4, "0:00"), (83.0, "1:23"), (4021.0, "1:07:01"), (-1.0, "0:00")]
        {
            assert_eq!(clock(seconds), text);
        }
    }

    #[test]
    fn spans_are_as_precise_as_they_are_of_use() {
        let table = [
            (0.2, "under 1 s"),
            (40.0, "40 s"),
            (100.0, "2 min"),
            (3600.0, "60 min"),
            (9000.0, "2.5 h"),
            (259_200.0, "3 days"),
            (f64::NAN, "under 1 s"),
        ];
        for (seconds, text) in table {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn only_what_is_finished_is_a_hundred_percent() {
        for (part, text) in [(0.0, "0 %"), (0.999, "99 %"), (1.0, "100 %"), (7.0, "100 %")] {
            assert_eq!(percent(part), text);
        }
    }

    #[test]
    fn a_moment_without_a_script_is_in_utc() {
        assert_eq!(moment("2026-11-22T17:00:09.123Z"), "2026-11-22 17:00 UTC");
        assert_eq!(moment("soon"), "soon");
    }

    #[test]
    fn a_download_is_called_after_the_video() {
        let table = [
            ("Holiday.mov", "video.mp4", "Holiday.mp4"),
            ("Holiday", "poster.jpg", "Holiday.jpg"),
            ("Mr. and Mrs. Smith", "video.mp4", "Mr. and Mrs. Smith.mp4"),
            (".hidden", "hls/init", ".hidden"),
        ];
        for (title, name, saved) in table {
            assert_eq!(saved_for(name, title), saved);
        }
    }

    #[test]
    fn what_stands_in_a_query_ends_nothing() {
        assert_eq!(in_query("/videos/1?a=b&c#d é"), "/videos/1%3Fa%3Db%26c%23d%20%C3%A9");
    }
}
