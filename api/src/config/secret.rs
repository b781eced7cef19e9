use secrecy::{ExposeSecret, SecretString};

/// The shortest accepted key: as long as the hash it keys.
const SHORTEST: usize = 32;
/// Fewer different bytes than this are no random key.
const FEWEST_DIFFERENT: usize = 8;

/// What published examples are made of, without case and separators.
const WELL_KNOWN: &[&str] = &[
    "changeme",
    "replaceme",
    "changethis",
    "yoursecret",
    "yourjwtsecret",
    "your256bitsecret",
    "your512bitsecret",
    "yoursupersecret",
    "mysecret",
    "mysupersecret",
    "supersecret",
    "astringsecretatleast256bitslong",
    "secretkeyfordevelopment",
    "developmentsecret",
    "insecure",
    "password",
    "0123456789abcdef",
];

/// Refuses keys that others can guess.
pub(super) fn check(secret: &SecretString) -> Result<(), &'static str> {
    let secret = secret.expose_secret();
    if secret.is_empty() {
        return Err("required; make one with `openssl rand -hex 32`");
    }
    if secret.len() < SHORTEST {
        return Err("too short: at least 32 bytes, such as those of `openssl rand -hex 32`");
    }
    let plain: String =
        secret.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let mut different: Vec<u8> = secret.bytes().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < FEWEST_DIFFERENT || WELL_KNOWN.iter().any(|known| plain.contains(known)) {
        return Err("well known or easy to guess; make one with `openssl rand -hex 32`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_short_or_well_known_key_is_refused() {
        for (secret, begin) in [
            ("", "required"),
            ("short", "too short"),
            ("q8Zr1vN0xk3Tt7Yw5uJm2Lc9Hb6Ds4P", "too short"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "well known"),
            ("change-me-change-me-change-me-change-me", "well known"),
            ("a-string-secret-at-least-256-bits-long", "well known"),
            ("Your_256-bit-secret-with-some-padding!", "well known"),
            ("0123456789abcdef0123456789abcdef", "well known"),
        ] {
            let problem = check(&secret.into()).expect_err(secret);
            assert!(problem.starts_with(begin), "{secret}: {problem}");
        }
    }

    #[test]
    fn random_keys_are_accepted() {
        for secret in [
            "q8Zr1vN0xk3Tt7Yw5uJm2Lc9Hb6Ds4Pf",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ] {
            assert_eq!(check(&secret.into()), Ok(()), "{secret}");
        }
    }
}
