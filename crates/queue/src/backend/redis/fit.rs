use redis::{InfoDict, RedisResult};

use super::link::Link;
use crate::Error;

/// The first version whose XAUTOCLAIM forgets deliveries of messages that were deleted.
const OLDEST: u32 = 7;

/// Refuses a server that would lose what it has confirmed. INFO tells all of it: managed services
/// forbid CONFIG.
pub(super) async fn check(link: &Link, allow_data_loss: bool) -> Result<(), Error> {
    let asked: RedisResult<InfoDict> = link
        .call(|mut connection| async move { redis::cmd("INFO").query_async(&mut connection).await })
        .await;
    let info = match asked {
        // A user without INFO is no reason to refuse whoever takes the risk.
        Err(error) if error.code() == Some("NOPERM") => InfoDict::new(""),
        asked => asked.map_err(|error| link.failure(error))?,
    };
    if let Some(version) = info.get::<String>("redis_version")
        && version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(OLDEST) < OLDEST
    {
        let text = format!("redis: {} is Redis {version}; use {OLDEST}.0 or newer", link.address());
        return Err(Error::Unfit(text));
    }
    let risks = risks(&info);
    if risks.is_empty() {
        return Ok(());
    }
    let risks = risks.join("; ");
    if allow_data_loss {
        tracing::warn!(
            "redis: {} may lose messages, as REDIS_ALLOW_DATA_LOSS allows: {risks}",
            link.address()
        );
        return Ok(());
    }
    Err(Error::Unfit(format!(
        "redis: {} may lose messages that it has confirmed: {risks}. Where that cannot be changed, \
         as with most managed services, REDIS_ALLOW_DATA_LOSS=true takes it as it is: a job whose message is \
         lost waits until the relay sends it again",
        link.address()
    )))
}

/// What the server would lose messages by, and what to do about each.
fn risks(info: &InfoDict) -> Vec<String> {
    let mut risks = Vec::new();
    match info.get::<String>("aof_enabled").as_deref() {
        Some("1") => {}
        Some(_) => risks.push(
            "it keeps no append-only file, so a restart loses them (set `appendonly yes`)".to_owned(),
        ),
        None => risks.push(
            "it does not say whether it keeps an append-only file (allow INFO to the user in REDIS_URL)".to_owned(),
        ),
    }
    match info.get::<String>("maxmemory_policy").as_deref() {
        Some("noeviction") => {}
        Some(policy) => risks.push(format!(
            "its `maxmemory-policy` is `{policy}`, so it may evict them when it is full (set `maxmemory-policy noeviction`)"
        )),
        None => risks.push(
            "it does not say whether it evicts keys (allow INFO to the user in REDIS_URL)".to_owned(),
        ),
    }
    risks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_keeps_everything_has_no_risks() {
        for (info, count) in [
            ("aof_enabled:1\r\nmaxmemory_policy:noeviction\r\n", 0),
            ("aof_enabled:0\r\nmaxmemory_policy:noeviction\r\n", 1),
            ("aof_enabled:1\r\nmaxmemory_policy:volatile-lru\r\n", 1),
            ("aof_enabled:1\r\n", 1),
            ("", 2),
        ] {
            assert_eq!(risks(&InfoDict::new(info)).len(), count, "{info}");
        }
    }
}
