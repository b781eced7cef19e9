use reelfleet_db::Role;

use crate::{fleet::Film, on_stage};

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_small_phone_in_light_and_dark() {
    on_stage(Role::Operator, async |stage| {
        let (fleet, browser) = (&stage.fleet, &stage.browser);
        let film = Film::make(fleet.folder.path()).await;
        let long = "2026-11-20_recital_whole-evening_second-camera-from-the-left-balcony_".repeat(2);
        let ready = fleet.video(&stage.user, &long).await;
        fleet.finish(&fleet.claim(ready.job).await, &film).await;
        let failed = fleet.video(&stage.user, "notes.docx").await;
        let claimed = fleet.claim(failed.job).await;
        fleet.fail(&claimed, "not_a_video", "The file is not a video we can read, or it is damaged.").await;
        let running = fleet.video(&stage.user, "harbour-drone-4k.mov").await;
        let claimed = fleet.claim(running.job).await;
        fleet.progress(&claimed, 0.42).await;
        fleet.video(&stage.user, "Rooftop at dusk.mp4").await;
        let paths = [
            "/".to_owned(), "/?status=cancelled".to_owned(), format!("/videos/{}", ready.id),
            format!("/videos/{}", failed.id), format!("/videos/{}", running.id), "/operate".to_owned(),
            "/operate/jobs".to_owned(), format!("/operate/jobs/{}", failed.job), "/sign-in".to_owned(), "/sign-up".to_owned(),
        ];
        let mut grounds = Vec::new();
        for scheme in ["light", "dark"] {
            browser.look(360, scheme).await;
            for path in &paths {
                stage.open(path).await;
                let wide = browser.run("return document.documentElement.scrollWidth").await;
                assert_eq!(wide, 360, "{path} scrolls sideways");
            }
            grounds.push(browser.run("const s = getComputedStyle(document.body); return s.backgroundColor + s.color").await);
        }
        assert_ne!(grounds[0], grounds[1]);
        stage.no_complaints_but(&[]).await;
    })
    .await;
}
