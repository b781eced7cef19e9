use reelfleet_api::{AccountError, Signup, make_operator};
use reelfleet_db::Role;
use serde_json::json;

use crate::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn where_sign_up_is_closed_nobody_makes_an_account_and_the_console_offers_none() {
    let app = App::with(|config| config.signup = Signup::Closed).await;
    let ann = json!({"email": "ann@example.org", "password": "correct horse"});
    let refused = app.post("/api/auth/signup").json(&ann).await;
    assert_eq!(refused.problem(), (403, "signup_closed".to_owned()));

    let form = "email=ann%40example.org&password=correct+horse";
    let sent = app
        .post("/sign-up")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    for answer in [sent.await, app.get("/sign-up").await] {
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.text().contains("Nobody can sign up here"), "{answer:?}");
        assert!(!answer.text().contains("<form"), "{answer:?}");
    }
    assert!(app.db.user_by_email("ann@example.org").await.unwrap().is_none());
    assert!(!app.get("/sign-in").await.text().contains("/sign-up"));
    // Who has an account signs in as before.
    let made = make_operator(&app.db, "ann@example.org", Some("correct horse".into())).await;
    assert_eq!(made.unwrap().role, Role::Operator);
    assert_eq!(app.post("/api/auth/login").json(&ann).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_sign_up_is_open_the_console_offers_it() {
    let app = App::start().await;
    assert!(app.get("/sign-in").await.text().contains("href=\"/sign-up"));
    assert_eq!(app.get("/sign-up").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_needs_a_real_address_and_a_password_that_will_do() {
    let app = App::start().await;
    for (email, password) in [("nobody", None), ("ada@example.org", Some("short"))] {
        let refused = make_operator(&app.db, email, password.map(Into::into)).await;
        assert!(matches!(refused, Err(AccountError::Refused(_))), "{email}");
    }
    assert!(app.db.first_operator().await.unwrap().is_none());
}
