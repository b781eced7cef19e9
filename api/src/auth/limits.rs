use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reelfleet_job::UserId;
use reelfleet_runtime::Timestamp;

use crate::{
    config::ApiConfig,
    problem::{Answer, Problem, codes},
};

/// Counters a table. Keys share one by chance only, because the hash is keyed
/// anew in each process; memory does not grow with the number of keys.
const COUNTERS: usize = 1 << 14;

/// Sign-in links that one account may make a window. Each is a row until its hour is over.
const LINKS_PER_ACCOUNT: u32 = 10;

/// Counts per key in fixed windows, in fixed memory.
struct Table {
    counters: Mutex<Vec<(i64, u32)>>,
    hasher: RandomState,
    most: u32,
    window: Duration,
}

impl Table {
    fn new(most: u32, window: Duration) -> Self {
        Self {
            counters: Mutex::new(vec![(0, 0); COUNTERS]),
            hasher: RandomState::new(),
            most,
            window,
        }
    }

    /// Counts one more. Past the limit: the seconds until the next window.
    fn count(&self, key: impl Hash, now: Timestamp) -> Result<(), u64> {
        let (window, left_s) = self.window_at(now);
        self.with(key, |counter| {
            if counter.0 != window {
                *counter = (window, 0);
            }
            counter.1 = counter.1.saturating_add(1);
            if counter.1 > self.most { Err(left_s) } else { Ok(()) }
        })
        .unwrap_or(Ok(()))
    }

    /// Takes one back.
    fn uncount(&self, key: impl Hash, now: Timestamp) {
        let (window, _) = self.window_at(now);
        self.with(key, |counter| {
            if counter.0 == window {
                counter.1 = counter.1.saturating_sub(1);
            }
        });
    }

    fn with<T>(&self, key: impl Hash, change: impl FnOnce(&mut (i64, u32)) -> T) -> Option<T> {
        let slot = usize::try_from(self.hasher.hash_one(key) % COUNTERS as u64).ok()?;
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.get_mut(slot).map(change)
    }

    fn window_at(&self, now: Timestamp) -> (i64, u64) {
        let length = i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX).max(1);
        let left_ms = length - now.as_millis().rem_euclid(length);
        (now.as_millis().div_euclid(length), u64::try_from(left_ms).unwrap_or(0).div_ceil(1000))
    }
}

/// How often one account and one network address may try to sign in, and make links for it.
pub(crate) struct LoginLimits {
    accounts: Table,
    addresses: Table,
    links: Table,
}

impl LoginLimits {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        Self {
            accounts: Table::new(config.login_failures_per_account, config.login_window),
            addresses: Table::new(config.logins_per_address, config.login_window),
            links: Table::new(LINKS_PER_ACCOUNT, config.login_window),
        }
    }

    /// Counts a try from an address.
    pub(crate) fn count_address(&self, address: IpAddr, now: Timestamp) -> Answer<()> {
        self.addresses.count(group(address), now).map_err(refused)
    }

    /// Counts a try for an account as failed, until [`LoginLimits::succeeded`].
    pub(crate) fn count_account(&self, email: &str, now: Timestamp) -> Answer<()> {
        self.accounts.count(email.to_lowercase(), now).map_err(refused)
    }

    /// Counts a link that an account makes. Apart from the tries to sign in: whoever guesses
    /// at an account from outside must not keep its owner from a link.
    pub(crate) fn count_link(&self, user: UserId, now: Timestamp) -> Answer<()> {
        self.links.count(user, now).map_err(|wait_s| {
            Problem::new(&codes::TOO_MANY_LOGINS, "Too many sign-in links. Try again later.")
                .retry_after(wait_s)
        })
    }

    /// The last try was none of the failed ones.
    pub(crate) fn succeeded(&self, email: &str, now: Timestamp) {
        self.accounts.uncount(email.to_lowercase(), now);
    }
}

/// One customer of a provider gets a whole /64 of IPv6 addresses.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn refused(wait_s: u64) -> Problem {
    Problem::new(&codes::TOO_MANY_LOGINS, "Too many tries to sign in. Try again later.")
        .retry_after(wait_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_refused_past_its_limit_until_the_next_window() {
        let table = Table::new(2, Duration::from_secs(60));
        let at = Timestamp::from_millis;
        assert_eq!(table.count("a", at(1_000)), Ok(()));
        assert_eq!(table.count("a", at(2_000)), Ok(()));
        assert_eq!(table.count("a", at(3_000)), Err(57));
        assert_eq!(table.count("a", at(60_000)), Ok(()));
    }

    #[test]
    fn what_is_taken_back_does_not_count() {
        let table = Table::new(1, Duration::from_secs(60));
        let now = Timestamp::from_millis(0);
        for _ in 0..5 {
            assert_eq!(table.count("a", now), Ok(()));
            table.uncount("a", now);
        }
    }

    #[test]
    fn a_flood_of_keys_takes_no_more_memory() {
        let table = Table::new(1, Duration::from_secs(60));
        for key in 0..100_000 {
            let _ = table.count(key, Timestamp::from_millis(0));
        }
        assert_eq!(table.counters.lock().unwrap().len(), COUNTERS);
    }

    #[test]
    fn the_addresses_of_one_ipv6_customer_count_as_one() {
        let one: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let other: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        let stranger: IpAddr = "2001:db8:1:3::1".parse().unwrap();
        assert_eq!(group(one), group(other));
        assert_ne!(group(one), group(stranger));
        assert_eq!(
            group("::ffff:10.0.0.1".parse().unwrap()),
            "10.0.0.1".parse::<IpAddr>().unwrap()
        );
    }
}
