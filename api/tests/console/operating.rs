use reelfleet_db::Role;
use reelfleet_job::State;

use crate::on_stage;

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_the_fleet_and_mend_it() {
    on_stage(Role::Operator, async |stage| {
        let (fleet, browser) = (&stage.fleet, &stage.browser);
        let mut dead = Vec::new();
        for title in ["One", "Two", "Three"] {
            let video = fleet.video(&stage.user, title).await;
            let claimed = fleet.claim(video.job).await;
            fleet.fail(&claimed, "not_a_video", "The file is not a video we can read.").await;
            dead.push(video.job);
        }
        stage.open("/operate").await;
        browser.until("document.getElementById('dead-count').textContent === '3'").await;
        browser.until_it_says("studio:4711").await;
        browser.until_it_says("1 worker is ready").await;
        for lane in ["transcode-high", "transcode-normal", "transcode-low"] {
            browser.until_it_says(lane).await;
        }

        browser.find(&format!("#redrive-{}", dead[0])).await.click().await.unwrap();
        browser.until("document.getElementById('dead-count').textContent === '2'").await;
        let claimed = fleet.claim(dead[0]).await;
        fleet.progress(&claimed, 0.42).await;
        browser.until("document.querySelector('.badge[data-state=running]')?.textContent === 'Running 42 %'").await;

        browser.find(&format!("#discard-{}-button", dead[1])).await.click().await.unwrap();
        browser.find("dialog[open] .danger").await.click().await.unwrap();
        browser.until("document.getElementById('dead-count').textContent === '1'").await;
        assert_eq!(fleet.db.job(dead[1]).await.unwrap().unwrap().state, State::Cancelled);

        browser.find("#redrive-all-button").await.click().await.unwrap();
        browser.find("dialog[open] .danger").await.click().await.unwrap();
        browser.until("document.getElementById('dead-count').textContent === '0'").await;
        browser.until_it_says("No job is dead.").await;
        assert_eq!(fleet.db.job(dead[2]).await.unwrap().unwrap().state, State::Queued);

        stage.open(&format!("/operate/jobs/{}", dead[2])).await;
        browser.until("document.querySelectorAll('.attempts li').length === 1").await;
        browser.until_it_says("not_a_video").await;
        browser.find("#cancel").await.click().await.unwrap();
        browser.until("document.querySelector('.badge').textContent === 'Cancelled'").await;
        stage.open("/operate/jobs?state=cancelled").await;
        browser.until("document.querySelectorAll('.row').length === 2").await;
        stage.no_complaints_but(&[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_sees_the_fleet() {
    on_stage(Role::User, async |stage| {
        let video = stage.fleet.video(&stage.user, "One").await;
        assert_eq!(
            stage.browser.run("return document.querySelector('a[href=\"/operate\"]')").await,
            serde_json::Value::Null
        );
        for path in [
            "/operate".to_owned(),
            "/operate/jobs".to_owned(),
            format!("/operate/jobs/{}", video.job),
        ] {
            stage.open(&path).await;
            stage.browser.until_it_says("For operators only").await;
            assert_eq!(
                stage.browser.run("return document.body.innerText.includes('transcode')").await,
                false
            );
        }
        stage.no_complaints_but(&["403 (Forbidden)"]).await;
    })
    .await;
}
