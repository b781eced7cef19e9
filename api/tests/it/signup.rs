use reelfleet_api::{AccountError, Signup, make_account};
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
    let made =
        make_account(&app.db, "ann@example.org", Role::User, Some("correct horse".into())).await;
    assert_eq!(made.unwrap().role, Role::User);
    assert_eq!(app.post("/api/auth/login").json(&ann).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_sign_up_is_open_the_console_offers_it() {
    let app = App::start().await;
    assert!(app.get("/sign-in").await.text().contains("href=\"/sign-up"));
    assert_eq!(app.get("/sign-up").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_needs_a_real_address_and_a_password_that_will_do() {
    let app = App::start().await;
    for (email, password) in [("nobody", None), ("ada@example.org", Some("short"))] {
        let password = password.map(Into::into);
        let refused = make_account(&app.db, email, Role::Operator, password).await;
        assert!(matches!(refused, Err(AccountError::Refused(_))), "{email}");
    }
    assert!(app.db.first_operator().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signed_up_under_an_address_that_is_taken_over_has_no_way_in_any_more() {
    let app = App::start().await;
    let squatter = json!({"email": "ada@example.org", "password": "correct horse"});
    assert_eq!(app.post("/api/auth/signup").json(&squatter).await.status, 201);
    let token = app.post("/api/auth/login").json(&squatter).await.json();
    let session = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let me = async || app.get("/api/auth/me").header("authorization", &session).await.status;
    let link = app.post("/api/auth/link").header("authorization", &session).await.json();
    // Without a password nobody is promoted who may be anybody.
    let refused = make_account(&app.db, "ADA@example.org", Role::Operator, None).await;
    assert!(matches!(refused, Err(AccountError::OtherRole(Role::User))), "{refused:?}");
    let same = make_account(&app.db, "ada@example.org", Role::User, None).await.unwrap();
    assert_eq!((same.token_version, me().await), (0, 200));

    let password = Some("another horse".into());
    let ada = make_account(&app.db, "ADA@example.org", Role::Operator, password).await.unwrap();
    assert_eq!((ada.id, ada.role), (same.id, Role::Operator));
    assert_eq!(me().await, 401);
    assert_eq!(app.get(link["path"].as_str().unwrap()).await.status, 410);
    assert_eq!(app.post("/api/auth/login").json(&squatter).await.status, 401);
    let owner = json!({"email": "ada@example.org", "password": "another horse"});
    assert_eq!(app.post("/api/auth/login").json(&owner).await.status, 200);
}
