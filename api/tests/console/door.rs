use fantoccini::Locator;
use reelfleet_db::Role;

use crate::{fleet::PASSWORD, on_stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_link_opens_the_console_once() {
    on_stage(Role::User, async |stage| {
        let (fleet, browser) = (&stage.fleet, &stage.browser);
        assert!(browser.text(".account").await.contains("ann@example.org"));
        let link = fleet.link(&stage.user).await;
        browser.find(".account button").await.click().await.unwrap();
        browser.until("location.pathname === '/sign-in'").await;
        browser.client.goto(&link).await.unwrap();
        browser.until("location.pathname === '/' && document.querySelector('.account')").await;
        browser.client.delete_all_cookies().await.unwrap();
        browser.client.goto(&link).await.unwrap();
        browser.until_it_says("works once").await;
        stage.no_complaints_but(&["410 (Gone)"]).await;
        browser.find("main a").await.click().await.unwrap();
        browser.until("location.pathname === '/sign-in'").await;
        stage.no_complaints_but(&[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_the_page_that_was_asked_for() {
    on_stage(Role::User, async |stage| {
        let browser = &stage.browser;
        let video = stage.fleet.video(&stage.user, "Harbour").await;
        browser.client.delete_all_cookies().await.unwrap();
        stage.open(&format!("/videos/{}", video.id)).await;
        for (password, says) in [("wrong wrong wrong", "no account"), (PASSWORD, "Harbour")] {
            let form = browser.client.form(Locator::Css("main form")).await.unwrap();
            form.set_by_name("email", "ann@example.org").await.unwrap();
            form.set_by_name("password", password).await.unwrap();
            browser.find("main form button").await.click().await.unwrap();
            browser.until_it_says(says).await;
        }
        assert_eq!(browser.run("return location.pathname").await, format!("/videos/{}", video.id));
        stage.no_complaints_but(&["401 (Unauthorized)"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_can_make_an_account() {
    on_stage(Role::User, async |stage| {
        let browser = &stage.browser;
        browser.client.delete_all_cookies().await.unwrap();
        stage.open("/").await;
        browser.find("main a[href^='/sign-up']").await.click().await.unwrap();
        browser.until_it_says("Make an account").await;
        let form = browser.client.form(Locator::Css("main form")).await.unwrap();
        form.set_by_name("email", "ben@example.org").await.unwrap();
        form.set_by_name("password", "another long one").await.unwrap();
        browser.find("main form button").await.click().await.unwrap();
        browser.until_it_says("No videos yet").await;
        stage.no_complaints_but(&[]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_from_another_site_opens_the_console_too() {
    on_stage(Role::User, async |stage| {
        let browser = &stage.browser;
        browser.client.delete_all_cookies().await.unwrap();
        let link = stage.fleet.link(&stage.user).await;
        // The same server by another name is another site, like a mail program's page.
        let other = stage.fleet.url("/sign-in").replace("127.0.0.1", "localhost");
        browser.client.goto(&other).await.unwrap();
        browser.client.execute("location.href = arguments[0]", vec![link.into()]).await.unwrap();
        browser
            .until("location.hostname === '127.0.0.1' && document.querySelector('.account')")
            .await;
        stage.no_complaints_but(&[]).await;
    })
    .await;
}
