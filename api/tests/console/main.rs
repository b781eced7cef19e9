//! The console in a real browser: Chromium, driven through its driver.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod browser;
mod door;
mod fleet;
mod looks;
mod operating;
mod plain;
mod uploading;
mod videos;

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use reelfleet_db::{Role, User};

use browser::Browser;
use fleet::Fleet;

/// A browser in front of a fleet, with somebody signed in.
struct Stage {
    fleet: Fleet,
    browser: Browser,
    user: User,
}

impl Stage {
    async fn open(&self, path: &str) {
        self.browser.client.goto(&self.fleet.url(path)).await.unwrap();
    }

    /// Nothing may have been complained about but what holds one of these.
    async fn no_complaints_but(&self, expected: &[&str]) {
        let complaints = self.browser.complaints().await;
        let other: Vec<_> = complaints
            .iter()
            .filter(|one| !expected.iter().any(|part| one.contains(part)))
            .collect();
        assert!(other.is_empty(), "{other:#?}");
    }
}

/// Runs a test with a fleet and a browser, and ends both however it goes.
async fn on_stage(role: Role, test: impl AsyncFnOnce(&Stage)) {
    let fleet = Fleet::start().await;
    let user = fleet.user("ann@example.org", role).await;
    let link = fleet.link(&user).await;
    let stage = Stage { fleet, browser: Browser::start().await, user };
    let result = AssertUnwindSafe(async {
        stage.browser.client.goto(&link).await.unwrap();
        stage.browser.until("document.querySelector('.account')").await;
        test(&stage).await;
    })
    .catch_unwind()
    .await;
    stage.fleet.stop();
    stage.browser.stop().await;
    if let Err(panic) = result {
        resume_unwind(panic);
    }
}
