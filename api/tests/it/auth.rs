use std::time::Duration;

use reelfleet_api::sign_in_link;
use serde_json::json;

use crate::app::App;

fn credentials(email: &str, password: &str) -> serde_json::Value {
    json!({"email": email, "password": password})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_once_and_opened_with_its_password() {
    let app = App::start().await;
    let ann = credentials("Ann@Example.org", "correct horse");
    let made = app.post("/api/auth/signup").json(&ann).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["role"], "user");
    assert!(!made.text().contains("horse") && !made.text().contains("argon2"));

    let again =
        app.post("/api/auth/signup").json(&credentials("ann@example.org", "another one")).await;
    assert_eq!(again.problem(), (409, "email_taken".to_owned()));

    let open =
        app.post("/api/auth/login").json(&credentials("ann@example.ORG", "correct horse")).await;
    let token = open.json();
    assert_eq!((open.status, &token["token_type"]), (200, &json!("Bearer")));
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let me = app.get("/api/auth/me").header("authorization", &bearer).await;
    assert_eq!((me.status, me.json()), (200, made.json()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let app = App::start().await;
    app.post("/api/auth/signup").json(&credentials("ann@example.org", "correct horse")).await;
    let wrong =
        app.post("/api/auth/login").json(&credentials("ann@example.org", "wrong horse")).await;
    let unknown =
        app.post("/api/auth/login").json(&credentials("bob@example.org", "wrong horse")).await;
    assert_eq!(wrong.problem(), (401, "wrong_credentials".to_owned()));
    assert_eq!(wrong.body, unknown.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_hash_of_old_parameters_is_renewed_on_login() {
    let app = App::start().await;
    let old = "$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$";
    let ann = app.user("ann").await;
    // A hash of "correct horse" with 1 MiB and one pass.
    let weak = weak_hash("correct horse");
    assert!(weak.starts_with(&old[..30]), "{weak}");
    app.db.renew_password_hash(&ann.user, &weak).await.unwrap();
    let open =
        app.post("/api/auth/login").json(&credentials("ann@example.org", "correct horse")).await;
    assert_eq!(open.status, 200, "{open:?}");
    let renewed = app.db.user(ann.user.id).await.unwrap().unwrap().password_hash;
    assert!(renewed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{renewed}");
    let open =
        app.post("/api/auth/login").json(&credentials("ann@example.org", "correct horse")).await;
    assert_eq!(open.status, 200);
}

fn weak_hash(password: &str) -> String {
    use argon2::{Algorithm, Argon2, Params, Version, password_hash::PasswordHasher};
    let params = Params::new(1024, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password(password.as_bytes()).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_do_as_an_account_is_refused() {
    let app = App::start().await;
    let long = "p".repeat(129);
    for (email, password, expected) in [
        ("nobody", "correct horse", (422, "bad_email")),
        ("a@b\r\nc.de", "correct horse", (422, "bad_email")),
        ("a@b.de", "short", (422, "weak_password")),
        ("a@b.de", &long, (422, "weak_password")),
    ] {
        let answer = app.post("/api/auth/signup").json(&credentials(email, password)).await;
        assert_eq!(answer.problem(), (expected.0, expected.1.to_owned()), "{email}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_closed_to_guesses_after_some_failures_and_its_owner_to_none() {
    let app = App::with(|config| {
        config.login_failures_per_account = 3;
        config.login_window = Duration::from_secs(3600 * 24 * 365);
    })
    .await;
    let right = credentials("ann@example.org", "correct horse");
    app.post("/api/auth/signup").json(&right).await;
    // Those that succeed are not counted.
    for _ in 0..5 {
        assert_eq!(app.post("/api/auth/login").json(&right).await.status, 200);
    }
    let wrong = credentials("ANN@example.org", "wrong horse");
    for _ in 0..3 {
        assert_eq!(app.post("/api/auth/login").json(&wrong).await.status, 401);
    }
    let refused = app.post("/api/auth/login").json(&wrong).await;
    assert_eq!(refused.problem(), (429, "too_many_logins".to_owned()));
    let other = credentials("bob@example.org", "wrong horse");
    assert_eq!(app.post("/api/auth/login").json(&other).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_try_without_end() {
    let app = App::with(|config| {
        config.logins_per_address = 3;
        config.login_window = Duration::from_secs(3600 * 24 * 365);
    })
    .await;
    for n in 0..3 {
        let wrong = credentials(&format!("u{n}@example.org"), "wrong horse");
        assert_eq!(app.post("/api/auth/login").json(&wrong).await.status, 401);
    }
    for path in ["/api/auth/login", "/api/auth/signup"] {
        let refused = app.post(path).json(&credentials("x@example.org", "wrong horse")).await;
        assert_eq!(refused.problem(), (429, "too_many_logins".to_owned()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logins_is_bounded_and_the_rest_goes_on() {
    let app = App::with(|config| {
        config.hashes_at_once = 1;
        config.hashes_waiting = 2;
    })
    .await;
    let ask = |n: usize| {
        let flood = credentials(&format!("u{n}@example.org"), "wrong horse");
        app.post("/api/auth/login").json(&flood)
    };
    let flood = futures_util::future::join_all((0..60).map(|n| ask(n).into_future()));
    let (answers, health) = tokio::join!(flood, app.get("/health").into_future());
    assert_eq!(health.status, 200);
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)));
    assert!(refused > 0, "nothing was refused");
    for answer in answers.iter().filter(|answer| answer.status == 429) {
        assert_eq!(answer.problem().1, "too_many_logins");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_link_works_once() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (token, hash) = sign_in_link();
    let minute = Duration::from_secs(60);
    assert!(app.db.create_sign_in_link(&hash, &ann.user, minute).await.unwrap());
    let first = app.get(&format!("/sign-in/{token}")).await;
    assert_eq!((first.status, first.header("location")), (303, "/"));
    let cookie = first.header("set-cookie").to_owned();
    for part in ["reelfleet_session=", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    let session = cookie.split(';').next().unwrap();
    assert_eq!(app.get("/api/auth/me").header("cookie", session).await.status, 200);
    for path in [format!("/sign-in/{token}"), "/sign-in/unknown".to_owned()] {
        let used = app.get(&path).await;
        assert_eq!(used.status, 410);
        assert!(used.text().contains("link is used"), "{used:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_alone_changes_nothing_from_another_site() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let video = app.upload(&ann).await;
    let path = format!("/api/videos/{}/cancel", video["id"].as_str().unwrap());
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("x-nothing", "at all"),
    ] {
        let refused = app.post(&path).cookie(&ann).header(name, value).await;
        assert_eq!(refused.problem(), (403, "cross_site".to_owned()), "{name}");
    }
    assert_eq!(app.videos(&ann).await[0]["status"], "queued");
    assert_eq!(
        app.get("/api/auth/me").cookie(&ann).header("origin", "https://evil.example").await.status,
        200
    );
    let own = format!("http://{}", app.address);
    assert_eq!(app.post(&path).cookie(&ann).header("origin", &own).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_consoles_session() {
    let app = App::start().await;
    let out = app.post("/sign-out").header("sec-fetch-site", "same-origin").await;
    assert_eq!(out.status, 303);
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    assert_eq!(app.post("/sign-out").header("sec-fetch-site", "cross-site").await.status, 403);
}
