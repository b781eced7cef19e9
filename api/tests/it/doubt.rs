//! What becomes of the source when the database does not say whether it has recorded the video.

use bytes::Bytes;
use reelfleet_runtime::Clock;
use reelfleet_servers::Postgres;
use reelfleet_storage::Storage;

use crate::{
    app::{Account, App, eventually},
    client::{Answer, upload_begun},
};

/// Runs at the commit of every new video.
const AT_COMMIT: &str = "
    CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON videos DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION at_commit();";

/// What it does.
fn at_commit(server: &Postgres, what: &str) {
    let body = format!("BEGIN {what}; RETURN NULL; END");
    let replace = "CREATE OR REPLACE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS";
    server.run("fleet", &format!("{replace} $${body}$$"));
}

/// A fleet with its records there.
async fn on(server: &Postgres) -> App {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::local(&folder.path().join("blobs")).await.unwrap();
    let url = server.create("fleet");
    App::of(folder, &url, storage, Clock::system(), |_| {}).await
}

async fn upload(app: &App, account: &Account) -> Answer {
    let upload = app.post("/api/videos?title=clip").signed(account);
    upload.header("content-type", "video/mp4").body("frames").await
}

/// A7 and A2: nothing is accepted that was not committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_goes_when_its_commit_is_refused_and_stays_when_nobody_knows() {
    let server = Postgres::start();
    let app = on(&server).await;
    let ann = app.user("ann").await;
    server.run("fleet", AT_COMMIT);

    at_commit(&server, "RAISE EXCEPTION 'no'");
    assert_eq!(upload(&app, &ann).await.problem(), (500, "internal".to_owned()));
    assert_eq!((app.videos(&ann).await.len(), app.sources().await), (0, 0));

    // Longer than a call may take: it is answered while the commit is still under way.
    at_commit(&server, "PERFORM pg_sleep(15)");
    assert_eq!(upload(&app, &ann).await.problem(), (503, "busy".to_owned()));
    assert_eq!(app.videos(&ann).await.len(), 0, "it was too quick to prove anything");
    eventually("recorded all the same", async || app.videos(&ann).await.len() == 1).await;
    assert_eq!(app.sources().await, 1);
}

/// A7.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_database_goes_away_midway_is_refused_and_uploads_pass_once_it_is_back() {
    let server = Postgres::start();
    let app = on(&server).await;
    let ann = app.user("ann").await;
    let (sender, uploading) = upload_begun(&app, &ann).await;
    server.kill();
    sender.send(Bytes::from_static(b"second")).await.unwrap();
    drop(sender);
    let answer = uploading.await.unwrap();
    assert_eq!(answer.problem(), (503, "busy".to_owned()));
    assert_eq!(app.temporary_files(), 0);

    server.restart();
    eventually("an upload passes", async || upload(&app, &ann).await.status == 202).await;
    assert_eq!(app.videos(&ann).await.len(), 1);
    // What the refused one stored no row names: the collector takes it after its hour.
    assert!(app.sources().await <= 2);
}
