use std::time::Duration;

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_in_account_makes_a_link_that_works_once_and_for_itself_only() {
    let app = App::start().await;
    let (ann, operator) = (app.user("ann").await, app.operator().await);
    for account in [&ann, &operator] {
        let made = app.post("/api/auth/link").signed(account).await;
        assert_eq!(made.status, 201, "{made:?}");
        let link = made.json();
        assert_eq!(link["expires_in"], 3600);
        let path = link["path"].as_str().unwrap();
        assert_eq!(path.strip_prefix("/sign-in/").unwrap().len(), 64);
        let opened = app.get(path).await;
        assert_eq!((opened.status, opened.header("location")), (303, "/"));
        let session = opened.header("set-cookie").split(';').next().unwrap();
        let me = app.get("/api/auth/me").header("cookie", session).await.json();
        assert_eq!(me["email"], account.user.email);
        assert_eq!(app.get(path).await.status, 410);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_link_says_where_a_new_one_comes_from() {
    let app = App::start().await;
    let used = app.get("/sign-in/unknown").await;
    let text = used.text().replace("&#x60;", "`");
    assert!(text.contains("`reelfleet sign-in` on the machine of the fleet"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_cannot_make_links_with_a_visitors_cookie() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let foreign = app.post("/api/auth/link").cookie(&ann).header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.await.problem(), (403, "cross_site".to_owned()));
    let own = app.post("/api/auth/link").cookie(&ann).header("sec-fetch-site", "same-origin");
    assert_eq!(own.await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_makes_a_few_links_a_window_whatever_strangers_try() {
    let app = App::with(|config| {
        config.login_failures_per_account = 1;
        config.login_window = Duration::from_secs(3600 * 24 * 365);
    })
    .await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let guess = serde_json::json!({"email": ann.user.email, "password": "wrong horse"});
    for status in [401, 429] {
        assert_eq!(app.post("/api/auth/login").json(&guess).await.status, status);
    }
    for _ in 0..10 {
        assert_eq!(app.post("/api/auth/link").signed(&ann).await.status, 201);
    }
    let refused = app.post("/api/auth/link").signed(&ann).await;
    assert_eq!(refused.problem(), (429, "too_many_logins".to_owned()));
    assert_eq!(app.post("/api/auth/link").signed(&bob).await.status, 201);
}
