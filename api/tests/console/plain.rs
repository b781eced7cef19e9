//! The console with scripts turned off.

use reelfleet_db::Role;
use reelfleet_job::{State, VideoStatus};
use serde_json::json;

use crate::{fleet::Film, on_stage};

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_videos_are_still_listed_watched_cancelled_and_deleted() {
    on_stage(Role::Operator, async |stage| {
        let (fleet, browser) = (&stage.fleet, &stage.browser);
        let film = Film::make(fleet.folder.path()).await;
        let ready = fleet.video(&stage.user, "Ready").await;
        fleet.finish(&fleet.claim(ready.job).await, &film).await;
        let dead = fleet.video(&stage.user, "Dead").await;
        let claimed = fleet.claim(dead.job).await;
        fleet.fail(&claimed, "not_a_video", "The file is not a video.").await;
        let waiting = fleet.video(&stage.user, "Waiting").await;
        browser.tools("Emulation.setScriptExecutionDisabled", json!({"value": true})).await;

        stage.open("/").await;
        browser.until_it_says("Uploading from this page needs JavaScript").await;
        assert!(!browser.find("#upload").await.is_displayed().await.unwrap());
        browser.find(".row .state button").await.click().await.unwrap();
        browser.until("document.querySelector('.row .badge').textContent === 'Cancelled'").await;
        let now = fleet.db.video(stage.user.id, waiting.id).await.unwrap().unwrap();
        assert_eq!(now.status, VideoStatus::Cancelled);

        stage.open(&format!("/videos/{}", ready.id)).await;
        browser.until("document.querySelector('video').readyState >= 1").await;
        browser.find("#delete-button").await.click().await.unwrap();
        browser.find("dialog[open] .danger").await.click().await.unwrap();
        browser
            .until("location.pathname === '/' && document.querySelectorAll('.row').length === 2")
            .await;

        stage.open("/operate").await;
        browser.find(&format!("#redrive-{}", dead.job)).await.click().await.unwrap();
        browser.until_it_says("No job is dead.").await;
        assert_eq!(fleet.db.job(dead.job).await.unwrap().unwrap().state, State::Queued);
        stage.no_complaints_but(&[]).await;
    })
    .await;
}
