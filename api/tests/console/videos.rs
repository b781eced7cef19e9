use reelfleet_db::Role;

use crate::on_stage;

const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';
const ESCAPE: char = '\u{e00c}';

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_video_says_why_and_a_title_is_only_text() {
    on_stage(Role::User, async |stage| {
        let title = "<img src=x onerror=\"window.owned=1\"></title><script>window.owned=1</script>";
        let video = stage.fleet.video(&stage.user, title).await;
        stage.open("/").await;
        stage
            .browser
            .until("document.querySelector('.row .badge')?.textContent === 'Queued'")
            .await;
        let claimed = stage.fleet.claim(video.job).await;
        let why = "The file is not a video we can read, or it is <b>damaged</b>.";
        stage.fleet.fail(&claimed, "not_a_video", why).await;
        stage.browser.until("document.querySelector('.row .badge').textContent === 'Failed'").await;
        assert_eq!(stage.browser.text(".row h3").await, title);
        assert_eq!(stage.browser.text(".row .why").await, why);
        stage.browser.find(".row h3 a").await.click().await.unwrap();
        stage.browser.until("document.querySelector('.wait .why')").await;
        assert_eq!(stage.browser.text(".wait .why").await, why);
        assert_eq!(stage.browser.text(".wait code").await, "not_a_video");
        assert_eq!(stage.browser.text("h1").await, title);
        assert_eq!(stage.browser.run("return window.owned ?? null").await, serde_json::Value::Null);
        stage.no_complaints_but(&[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_cancelled_and_deleted() {
    on_stage(Role::User, async |stage| {
        let browser = &stage.browser;
        let video = stage.fleet.video(&stage.user, "Harbour").await;
        stage.open("/").await;
        browser.find(".row .state button").await.click().await.unwrap();
        browser.until("document.querySelector('.row .badge').textContent === 'Cancelled'").await;
        browser.find(".row h3 a").await.click().await.unwrap();
        browser.find("#delete-button").await.click().await.unwrap();
        browser.until("document.querySelector('dialog').open").await;
        browser.find("dialog .danger").await.click().await.unwrap();
        browser.until_it_says("No videos yet").await;
        stage.no_complaints_but(&[]).await;
        stage.open(&format!("/videos/{}", video.id)).await;
        browser.until_it_says("There is nothing here").await;
        stage.no_complaints_but(&["404 (Not Found)"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_video_is_not_there() {
    on_stage(Role::User, async |stage| {
        let ben = stage.fleet.user("ben@example.org", Role::User).await;
        let video = stage.fleet.video(&ben, "Ben's secret").await;
        stage.open(&format!("/videos/{}", video.id)).await;
        stage.browser.until_it_says("There is nothing here").await;
        assert_eq!(
            stage.browser.run("return document.body.innerText.includes('secret')").await,
            false
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_filter_and_older_pages_lead_to_every_video() {
    on_stage(Role::User, async |stage| {
        for n in 0..22 {
            stage.fleet.video(&stage.user, &format!("Film {n}")).await;
        }
        stage.open("/?status=queued").await;
        assert_eq!(stage.browser.run("return document.querySelectorAll('.row').length").await, 20);
        stage.browser.find("a[rel=next]").await.click().await.unwrap();
        stage.browser.until("document.querySelectorAll('.row').length === 2").await;
        assert_eq!(stage.browser.text(".row:last-child h3").await, "Film 0");
        stage.browser.find(".tabs a[href='/?status=failed']").await.click().await.unwrap();
        stage.browser.until_it_says("No video is failed").await;
        stage.no_complaints_but(&[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_works_by_keyboard_alone() {
    on_stage(Role::User, async |stage| {
        let browser = &stage.browser;
        let video = stage.fleet.video(&stage.user, "Harbour").await;
        stage.open("/").await;
        browser.press(TAB).await;
        assert_eq!(browser.run("return document.activeElement.className").await, "skip");
        browser.press(ENTER).await;
        let reach = async |what: &str| {
            for _ in 0..30 {
                browser.press(TAB).await;
                let there = format!("return document.activeElement.matches({})", serde_json::json!(what));
                if browser.run(&there).await == true {
                    let outline = "const e = document.activeElement.id === 'files' ? document.activeElement.nextElementSibling : document.activeElement; return getComputedStyle(e).outlineStyle";
                    assert_eq!(browser.run(outline).await, "solid", "the focus is seen on {what}");
                    return;
                }
            }
            panic!("the focus never reached {what}");
        };
        for stop in ["#files", "#profile", "#priority", ".tabs a", ".row h3 a"] {
            reach(stop).await;
        }
        browser.press(ENTER).await;
        browser.until("document.getElementById('video')").await;
        for close in [ESCAPE, ENTER] {
            browser.run("document.getElementById('main').focus()").await;
            reach("#delete-button").await;
            browser.press(ENTER).await;
            browser.until("document.querySelector('dialog').open").await;
            // What keeps things as they are comes first.
            assert_eq!(browser.run("return document.activeElement.textContent").await, "Keep");
            browser.press(close).await;
            browser.until("!document.querySelector('dialog').open").await;
            assert_eq!(browser.run("return document.activeElement.id").await, "delete-button");
        }
        browser.press(ENTER).await;
        browser.until("document.querySelector('dialog').open").await;
        browser.press(TAB).await;
        browser.press(ENTER).await;
        browser.until_it_says("No videos yet").await;
        assert!(stage.fleet.db.video(stage.user.id, video.id).await.unwrap().is_none());
        // The page may hear of it before the browser has left it: it looks, and finds no video.
        stage.no_complaints_but(&[&format!("/videos/{} - Failed to load", video.id)]).await;
    })
    .await;
}
