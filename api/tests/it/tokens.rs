use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reelfleet_api::issue_token;
use reelfleet_runtime::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::{
    app::{Account, App, SECRET},
    client::send_raw,
};

/// A token made of parts, signed with HS256 whatever its header says.
fn forge(header: &Value, claims: &Value, key: &str) -> String {
    let part = |value: &Value| base64(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let signed = jsonwebtoken::crypto::sign(
        message.as_bytes(),
        &EncodingKey::from_secret(key.as_bytes()),
        Algorithm::HS256,
    );
    format!("{message}.{}", signed.unwrap())
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for n in 0..=chunk.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * n)) as usize & 63]));
        }
    }
    text
}

fn claims(ann: &Account, now: Timestamp) -> Value {
    json!({
        "sub": ann.user.id, "role": "user", "iss": "reelfleet", "aud": "reelfleet-api",
        "iat": now.as_seconds(), "exp": now.as_seconds() + 60, "ver": 0,
    })
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

async fn status(app: &App, token: &str) -> u16 {
    let answer = app.get("/api/auth/me").header("authorization", &format!("Bearer {token}")).await;
    if answer.status == 401 {
        assert_eq!(answer.problem().1, "not_signed_in");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    answer.status
}

#[tokio::test(flavor = "multi_thread")]
async fn no_forged_token_passes() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let good = claims(&ann, app.clock.now());
    let hs256 = json!({"alg": "HS256", "typ": "JWT"});
    let real = forge(&hs256, &good, SECRET);
    assert_eq!(status(&app, &real).await, 200);

    let (message, signature) = real.rsplit_once('.').unwrap();
    let none = format!("{}.{}.", base64(br#"{"alg":"none"}"#), message.split_once('.').unwrap().1);
    let mut bad = vec![
        ("none", none),
        ("stripped", format!("{message}.")),
        ("no signature", message.to_owned()),
        ("cut", format!("{message}.{}", &signature[..20])),
        ("other key", forge(&hs256, &good, "another-key-that-is-long-enough-too")),
        ("empty key", forge(&hs256, &good, "")),
        ("empty", String::new()),
        ("garbage", "a.b.c".to_owned()),
        ("kid", forge(&json!({"alg": "HS256", "kid": "../../dev/null"}), &good, "")),
    ];
    for alg in ["HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256", "None", ""] {
        bad.push(("alg swap", forge(&json!({"alg": alg}), &good, SECRET)));
    }
    let hs512 =
        encode(&Header::new(Algorithm::HS512), &good, &EncodingKey::from_secret(SECRET.as_bytes()));
    bad.push(("real HS512", hs512.unwrap()));
    for name in ["sub", "role", "iss", "aud", "exp", "iat", "ver"] {
        bad.push(("missing claim", forge(&hs256, &without(&good, name), SECRET)));
    }
    for (name, value) in [
        ("iss", json!("other")),
        ("iss", json!(["reelfleet"])),
        ("aud", json!("other")),
        ("aud", json!("")),
        ("exp", json!(0)),
        ("exp", json!(i64::MAX)),
        ("exp", json!("9999999999")),
        ("ver", json!(1)),
        ("ver", json!(-1)),
        ("ver", json!(null)),
        ("sub", json!("nobody")),
        ("sub", json!("0193a5d0-ac96-774b-bcce-b302099a8057")),
    ] {
        bad.push((name, forge(&hs256, &with(&good, name, value), SECRET)));
    }
    for (what, token) in bad {
        assert_eq!(status(&app, &token).await, 401, "{what}: {token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_to_the_second_by_our_clock() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("blobs");
    // Years away from the machine's time, in which such a token would be long expired.
    let clock = Clock::manual(Timestamp::from_millis(1_000_000_000_000));
    let app = App::on(folder, &blobs, clock, |_| {}).await;
    let ann = app.user("ann").await;
    let token = issue_token(&app.config, &ann.user, &app.clock, Duration::from_secs(60));
    assert_eq!(status(&app, &token).await, 200);
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(status(&app, &token).await, 200);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(status(&app, &token).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_in_a_token_grants_nothing() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let operator = with(&claims(&ann, app.clock.now()), "role", json!("operator"));
    let token = forge(&json!({"alg": "HS256"}), &operator, SECRET);
    let answer =
        app.get("/api/admin/jobs").header("authorization", &format!("Bearer {token}")).await;
    assert_eq!(answer.problem(), (403, "operators_only".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_megabyte_is_refused_and_read_by_nobody() {
    let app = App::start().await;
    let head = b"GET /api/auth/me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ";
    let token = vec![b'a'; 1 << 20];
    let answer = send_raw(app.address, &[head, &token, b"\r\n\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let long = "a".repeat(16 * 1024);
    assert_eq!(status(&app, &long).await, 401);
}
