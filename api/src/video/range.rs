/// What a `Range` header asks for, of a file of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it. Also what several ranges or unknown units come to, as HTTP allows.
    Whole,
    /// From the first byte to the last one, both included.
    Part(u64, u64),
    /// Nothing that is there.
    Outside,
}

/// Reads a `Range` header.
pub(super) fn asked(header: Option<&str>, size: u64) -> Asked {
    let Some((unit, range)) = header.and_then(|header| header.split_once('=')) else {
        return Asked::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else { return Asked::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || range.contains(',') {
        return Asked::Whole;
    }
    match (number(first), number(last)) {
        (Some(Some(first)), Some(Some(last))) if last < first => Asked::Whole,
        (Some(Some(first)), Some(last)) if first < size => {
            Asked::Part(first, last.unwrap_or(u64::MAX).min(size - 1))
        }
        (Some(Some(_)), Some(_)) => Asked::Outside,
        // The last so many bytes.
        (Some(None), Some(Some(0))) => Asked::Outside,
        (Some(None), Some(Some(_))) if size == 0 => Asked::Outside,
        (Some(None), Some(Some(last))) => Asked::Part(size.saturating_sub(last), size - 1),
        _ => Asked::Whole,
    }
}

/// Digits, nothing (`Some(None)`), or neither (`None`). A number too large to hold is past any end.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|b| b.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_range_means_what_http_says() {
        for (header, size, expected) in [
            ("bytes=0-9", 100, Asked::Part(0, 9)),
            ("bytes=90-", 100, Asked::Part(90, 99)),
            ("bytes=90-1000", 100, Asked::Part(90, 99)),
            ("bytes=-10", 100, Asked::Part(90, 99)),
            ("bytes=-1000", 100, Asked::Part(0, 99)),
            ("bytes=0-0", 1, Asked::Part(0, 0)),
            ("Bytes = 0-0", 1, Asked::Part(0, 0)),
            ("bytes=100-", 100, Asked::Outside),
            ("bytes=99999999999999999999999-", 100, Asked::Outside),
            ("bytes=-0", 100, Asked::Outside),
            ("bytes=0-", 0, Asked::Outside),
            ("bytes=-5", 0, Asked::Outside),
            ("bytes=9-0", 100, Asked::Whole),
            ("bytes=-", 100, Asked::Whole),
            ("bytes=a-b", 100, Asked::Whole),
            ("bytes=+1-2", 100, Asked::Whole),
            ("bytes=0-1,5-6", 100, Asked::Whole),
            ("pages=0-1", 100, Asked::Whole),
            ("bytes", 100, Asked::Whole),
            ("", 100, Asked::Whole),
        ] {
            assert_eq!(asked(Some(header), size), expected, "{header} of {size}");
        }
        assert_eq!(asked(None, 100), Asked::Whole);
    }
}
