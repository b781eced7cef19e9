use std::time::Duration;

use reelfleet_api::issue_token;
use reelfleet_db::{NewUser, Role};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    app::{Account, App},
    client::{Answer, Ask},
};

const LONG: Duration = Duration::from_secs(3600 * 24 * 365);

/// An operator as the first start of a fleet makes one.
async fn without_password(app: &App) -> Account {
    let email = "operator@localhost".to_owned();
    let new = NewUser { email, password_hash: String::new(), role: Role::Operator };
    let user = app.db.create_user(&new).await.unwrap();
    let token = issue_token(&app.config, &user, &app.clock, Duration::from_secs(3600));
    Account { user, token }
}

async fn log_in(app: &App, account: &Account, password: &str) -> u16 {
    let credentials = json!({"email": account.user.email, "password": password});
    app.post("/api/auth/login").json(&credentials).await.status
}

async fn set(app: &App, account: &Account, body: Value) -> Answer {
    app.ask("PUT", "/api/auth/password").signed(account).json(&body).await
}

/// The account with the token that a change of its password answered with.
fn renewed(account: Account, answer: &Answer) -> Account {
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    Account { token, ..account }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_password_is_closed_to_every_password() {
    let app = App::start().await;
    let operator = without_password(&app).await;
    for password in ["", " ", "correct horse"] {
        assert_eq!(log_in(&app, &operator, password).await, 401, "{password:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_password_needs_no_current_one_and_opens_the_account() {
    let app = App::start().await;
    let operator = without_password(&app).await;
    let made = set(&app, &operator, json!({"password": "correct horse"})).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(log_in(&app, &operator, "correct horse").await, 200);
    assert_eq!(log_in(&app, &operator, "").await, 401);
    let stored = app.db.user(operator.user.id).await.unwrap().unwrap().password_hash;
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_is_set_only_by_who_knows_the_current_one() {
    let app = App::start().await;
    let (operator, bob) = (without_password(&app).await, app.user("bob").await);
    let first = set(&app, &operator, json!({"password": "correct horse"})).await;
    let operator = renewed(operator, &first);
    for body in [
        json!({"password": "another horse"}),
        json!({"password": "another horse", "current": null}),
        json!({"password": "another horse", "current": ""}),
        json!({"password": "another horse", "current": "wrong horse"}),
    ] {
        let refused = set(&app, &operator, body.clone()).await;
        assert_eq!(refused.problem(), (401, "wrong_credentials".to_owned()), "{body}");
        assert!(!refused.text().contains("horse"));
    }
    // Somebody else's account stays as it is.
    let other =
        set(&app, &bob, json!({"password": "b horse is", "current": "correct horse"})).await;
    assert_eq!(other.status, 401);
    assert_eq!(log_in(&app, &operator, "correct horse").await, 200);

    let right = json!({"password": "another horse", "current": "correct horse"});
    assert_eq!(set(&app, &operator, right).await.status, 200);
    assert_eq!(log_in(&app, &operator, "another horse").await, 200);
    assert_eq!(log_in(&app, &operator, "correct horse").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_follows_the_rules_of_sign_up() {
    let app = App::start().await;
    let operator = without_password(&app).await;
    for password in ["", "too short", &"p".repeat(129)] {
        let refused = set(&app, &operator, json!({"password": password})).await;
        assert_eq!(refused.problem(), (422, "weak_password".to_owned()));
    }
    assert_eq!(set(&app, &operator, json!({})).await.problem(), (400, "bad_json".to_owned()));
    let stored = app.db.user(operator.user.id).await.unwrap().unwrap().password_hash;
    assert_eq!(stored, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_no_way_to_guess_its_password() {
    let app = App::with(|config| {
        config.login_failures_per_account = 3;
        config.login_window = LONG;
    })
    .await;
    let mut operator = without_password(&app).await;
    let right = json!({"password": "correct horse", "current": "correct horse"});
    // Those that succeed are not counted.
    for _ in 0..5 {
        let answer = set(&app, &operator, right.clone()).await;
        operator = renewed(operator, &answer);
    }
    let wrong = json!({"password": "another horse", "current": "wrong horse"});
    for _ in 0..3 {
        assert_eq!(set(&app, &operator, wrong.clone()).await.status, 401);
    }
    let refused = set(&app, &operator, right).await;
    assert_eq!(refused.problem(), (429, "too_many_logins".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_cannot_set_a_password_with_a_visitors_cookie() {
    let app = App::start().await;
    let operator = without_password(&app).await;
    let body = json!({"password": "correct horse"});
    let ask = |site: &str| {
        let ask = app.ask("PUT", "/api/auth/password").cookie(&operator).json(&body);
        ask.header("sec-fetch-site", site)
    };
    assert_eq!(ask("cross-site").await.problem(), (403, "cross_site".to_owned()));
    assert_eq!(ask("same-origin").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_ends_every_session_but_the_one_that_set_it() {
    let app = App::start().await;
    let (ann, bob) = (without_password(&app).await, app.user("bob").await);
    let link = app.post("/api/auth/link").signed(&ann).await.json();
    let answer = set(&app, &ann, json!({"password": "correct horse"})).await;
    assert_eq!(answer.json()["token_type"], "Bearer");
    assert_eq!(answer.header("set-cookie"), "");
    let status = async |ask: Ask| ask.await.status;
    assert_eq!(status(app.get("/api/auth/me").signed(&ann)).await, 401);
    assert_eq!(status(app.get("/api/auth/me").cookie(&ann)).await, 401);
    assert_eq!(status(app.get(link["path"].as_str().unwrap())).await, 410);
    assert_eq!(status(app.get("/api/auth/me").signed(&bob)).await, 200);
    let ann = renewed(ann, &answer);
    assert_eq!(status(app.get("/api/auth/me").signed(&ann)).await, 200);

    // A wrong try and a sign-in end nothing.
    let wrong = json!({"password": "another horse", "current": "wrong horse"});
    assert_eq!(set(&app, &ann, wrong).await.status, 401);
    assert_eq!(log_in(&app, &ann, "correct horse").await, 200);
    assert_eq!(status(app.get("/api/auth/me").signed(&ann)).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_set_its_password_stays_signed_in() {
    let app = App::start().await;
    let ann = without_password(&app).await;
    let body = json!({"password": "correct horse"});
    let ask = app.ask("PUT", "/api/auth/password").cookie(&ann).json(&body);
    let answer = ask.header("sec-fetch-site", "same-origin").await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(app.get("/api/auth/me").cookie(&ann).await.status, 401);
    assert_eq!(app.get("/api/auth/me").header("cookie", &cookie).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_signed_in_before_a_change_of_password_does_not_undo_it() {
    let app = App::start().await;
    let ann = without_password(&app).await;
    let body = json!({"password": "stolen horse"}).to_string();
    let head = format!(
        "PUT /api/auth/password HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\
         connection: close\r\n\r\n",
        ann.token,
        body.len()
    );
    let mut held = TcpStream::connect(app.address).await.unwrap();
    held.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body once it knows who sends it.
    let mut asked = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    held.read_exact(&mut asked).await.unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&asked));

    let answer = set(&app, &ann, json!({"password": "correct horse"})).await;
    let ann = renewed(ann, &answer);
    held.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    held.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("not_signed_in"), "{answer}");
    assert_eq!(app.get("/api/auth/me").signed(&ann).await.status, 200);
    assert_eq!(log_in(&app, &ann, "stolen horse").await, 401);
    assert_eq!(log_in(&app, &ann, "correct horse").await, 200);
}
