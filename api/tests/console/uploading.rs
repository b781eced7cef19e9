use reelfleet_db::{Role, VideoFilter};
use serde_json::json;

use crate::{Stage, fleet::Film, on_stage};

async fn choose(stage: &Stage, path: &std::path::Path) {
    let input = stage.browser.find("#files").await;
    input.send_keys(&path.display().to_string()).await.unwrap();
}

async fn count(stage: &Stage) -> usize {
    let filter = VideoFilter { limit: 10, ..VideoFilter::default() };
    stage.fleet.db.videos(stage.user.id, &filter).await.unwrap().rows.len()
}

async fn network(stage: &Stage, offline: bool, bytes_per_second: i64) {
    stage.browser.tools("Network.enable", json!({})).await;
    let conditions = json!({
        "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second,
    });
    stage.browser.tools("Network.emulateNetworkConditions", conditions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_becomes_a_row_that_becomes_ready_by_itself_and_plays() {
    on_stage(Role::User, async |stage| {
        let (fleet, browser) = (&stage.fleet, &stage.browser);
        let film = Film::make(fleet.folder.path()).await;
        let source = fleet.folder.path().join("Rooftop at dusk.mp4");
        std::fs::write(&source, vec![7_u8; 1_500_000]).unwrap();
        browser.run("window.untouched = true").await;
        network(stage, false, 1_000_000).await;
        choose(stage, &source).await;
        browser.until("/^[1-9]\\d* % of 1.5 MB/.test(document.querySelector('.upload .note').textContent)").await;
        browser.until("document.querySelector('.upload progress').value > 0.1").await;
        browser.until("document.querySelector('.row .badge')?.textContent === 'Queued'").await;
        assert_eq!(browser.text(".row h3").await, "Rooftop at dusk");
        assert_eq!(browser.run("return document.querySelectorAll('.upload').length").await, 0);

        let filter = VideoFilter { limit: 1, ..VideoFilter::default() };
        let video = fleet.db.videos(stage.user.id, &filter).await.unwrap().rows.remove(0);
        let claimed = fleet.claim(video.job).await;
        browser.until("document.querySelector('.row .badge').textContent.startsWith('Processing')").await;
        fleet.progress(&claimed, 0.42).await;
        browser.until("document.querySelector('.row [data-percent]').textContent === '42 %'").await;
        browser.until("document.querySelector('.row progress').value === 0.42").await;
        fleet.finish(&claimed, &film).await;
        browser.until("document.querySelector('.row .badge').textContent === 'Ready'").await;
        browser.until("document.querySelector('.row img').naturalWidth > 0").await;
        browser.until("document.getElementById('said').textContent === 'Rooftop at dusk is ready.'").await;
        assert_eq!(browser.run("return window.untouched").await, true, "the page was not loaded again");

        browser.find(".row h3 a").await.click().await.unwrap();
        browser.until("document.querySelector('video')?.readyState >= 2").await;
        browser.run("const v = document.querySelector('video'); v.muted = true; v.play()").await;
        browser.until("document.querySelector('video').currentTime > 0.2").await;
        assert_eq!(browser.run("return document.querySelector('.files a').download").await, "Rooftop at dusk.mp4");
        stage.no_complaints_but(&[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_upload_is_retried_and_makes_one_video() {
    on_stage(Role::User, async |stage| {
        let source = stage.fleet.folder.path().join("film.mp4");
        std::fs::write(&source, vec![7_u8; 10_000]).unwrap();
        network(stage, true, -1).await;
        choose(stage, &source).await;
        stage.browser.until_it_says("The connection broke").await;
        assert_eq!(count(stage).await, 0);
        network(stage, false, -1).await;
        stage.browser.find(".again").await.click().await.unwrap();
        stage
            .browser
            .until("document.querySelector('.row .badge')?.textContent === 'Queued'")
            .await;
        assert_eq!(count(stage).await, 1);
        stage.no_complaints_but(&["ERR_INTERNET_DISCONNECTED"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_no_video_is_refused_in_words() {
    on_stage(Role::User, async |stage| {
        let folder = stage.fleet.folder.path();
        for (name, text, says) in [
            ("notes.txt", "These are notes.", "This is not a video file."),
            ("nothing.mp4", "", "The file is empty."),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
            choose(stage, &folder.join(name)).await;
            stage.browser.until_it_says(says).await;
            stage.browser.find(".upload .stop").await.click().await.unwrap();
            stage.browser.until("!document.querySelector('.upload')").await;
        }
        assert_eq!(count(stage).await, 0);
        stage.no_complaints_but(&["415 (Unsupported Media Type)"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_cancelled_and_leaves_nothing() {
    on_stage(Role::User, async |stage| {
        let source = stage.fleet.folder.path().join("film.mp4");
        std::fs::write(&source, vec![7_u8; 2_000_000]).unwrap();
        network(stage, false, 50_000).await;
        choose(stage, &source).await;
        stage.browser.until("document.querySelector('.upload progress').value > 0").await;
        stage.browser.find(".upload .stop").await.click().await.unwrap();
        stage.browser.until("!document.querySelector('.upload')").await;
        assert_eq!(stage.browser.run("return document.activeElement.id").await, "files");
        assert_eq!(count(stage).await, 0);
        stage.no_complaints_but(&[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_dropped_anywhere_on_the_page() {
    on_stage(Role::User, async |stage| {
        stage
            .browser
            .run(
                "const data = new DataTransfer();
                 for (const name of ['one.mp4', 'two.mp4']) data.items.add(new File(['frames of ' + name], name, {type: 'video/mp4'}));
                 const drag = (name) => document.querySelector('h1').dispatchEvent(
                     new DragEvent(name, {dataTransfer: data, bubbles: true, cancelable: true}));
                 drag('dragover');
                 window.shown = getComputedStyle(document.querySelector('.dropping')).display !== 'none';
                 drag('drop');",
            )
            .await;
        assert_eq!(stage.browser.run("return window.shown").await, true);
        stage.browser.until("document.querySelectorAll('.row').length === 2").await;
        assert_eq!(count(stage).await, 2);
        stage.no_complaints_but(&[]).await;
    })
    .await;
}
