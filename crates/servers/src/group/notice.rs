//! Notices of Spot: that an instance is about to be taken away, or may be.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Group;

impl Group {
    /// Spot takes an instance back in so long.
    pub fn notice_spot(&self, id: &str, within: Duration) {
        let time = at(SignedDuration::try_from(within).unwrap_or_default());
        let notice = format!("{{\"action\":\"terminate\",\"time\":\"{time}\"}}");
        self.shared.state().record(id).notices.insert("spot/instance-action", notice);
    }

    /// Spot recommended so long ago to replace an instance.
    pub fn recommend_rebalance(&self, id: &str, ago: Duration) {
        let time = at(-SignedDuration::try_from(ago).unwrap_or_default());
        let notice = format!("{{\"noticeTime\":\"{time}\"}}");
        self.shared.state().record(id).notices.insert("events/recommendations/rebalance", notice);
    }

    /// Takes both back.
    pub fn withdraw_notices(&self, id: &str) {
        self.shared.state().record(id).notices.clear();
    }
}

/// A moment in whole seconds, as the service writes it.
fn at(from_now: SignedDuration) -> String {
    let time = Timestamp::now().saturating_add(from_now).unwrap_or(Timestamp::MAX);
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
