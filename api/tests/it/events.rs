use http_body_util::BodyExt;
use hyper::{Response, body::Incoming};
use reelfleet_db::{Beat, Pulse};
use reelfleet_job::Reason;
use std::time::Duration;

use crate::app::{Account, App, eventually};

/// An open stream, read event by event.
struct Stream {
    response: Response<Incoming>,
    buffered: String,
}

impl Stream {
    async fn open(app: &App, account: &Account, video: &serde_json::Value) -> Self {
        let path = format!("/api/videos/{}/events", video["id"].as_str().unwrap());
        let response = app.get(&path).signed(account).open().await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffered: String::new() }
    }

    /// Name and data of the next event. None at the end of the stream.
    async fn next(&mut self) -> Option<(String, serde_json::Value)> {
        let reading = async {
            loop {
                if let Some((event, rest)) = self.buffered.split_once("\n\n") {
                    let field = |name: &str| {
                        event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
                    };
                    let found = field("event: ").zip(field("data: "));
                    self.buffered = rest.to_owned();
                    if let Some((name, data)) = found {
                        return Some((name, serde_json::from_str(&data).unwrap()));
                    }
                    continue;
                }
                let frame = self.response.frame().await?.ok()?;
                self.buffered.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("no event")
    }
}

/// A user's new video and a stream of it, past its first event.
async fn followed(app: &App) -> (Account, serde_json::Value, Stream) {
    let ann = app.user("ann").await;
    let video = app.upload(&ann).await;
    let mut stream = Stream::open(app, &ann, &video).await;
    stream.next().await.unwrap();
    (ann, video, stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_follows_a_video_to_its_end() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let video = app.upload(&ann).await;
    let mut stream = Stream::open(&app, &ann, &video).await;
    let (name, first) = stream.next().await.unwrap();
    assert_eq!((&*name, &first), ("video", &video));

    let claimed = app.claim(&video).await;
    let (_, processing) = stream.next().await.unwrap();
    assert_eq!(processing["status"], "processing");

    let worker = app.db.job(claimed.id).await.unwrap().unwrap().worker.unwrap();
    let pulse = Pulse { job: claimed.id, epoch: claimed.epoch, progress: 0.5 };
    let beats = app.db.beat(worker, Duration::from_secs(60), &[pulse]).await.unwrap();
    assert_eq!(beats, [Beat::Held]);
    let (_, half) = stream.next().await.unwrap();
    assert_eq!(half["progress"], 0.5);

    app.publish(&claimed, &video, &[("web.mp4", "video/mp4", b"x")]).await;
    let (_, ready) = stream.next().await.unwrap();
    assert_eq!(ready["status"], "ready");
    assert_eq!(ready["files"].as_array().unwrap().len(), 1);
    assert_eq!(stream.next().await.unwrap().0, "end");
    assert_eq!(stream.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_finished_video_says_so_and_ends() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let video = app.upload(&ann).await;
    let claimed = app.claim(&video).await;
    let reason = Reason::new("no_video", "There is no picture in it.");
    assert!(app.db.close_dead(claimed.id, claimed.epoch, &reason).await.unwrap());
    let mut stream = Stream::open(&app, &ann, &video).await;
    let (_, failed) = stream.next().await.unwrap();
    assert_eq!(failed["error"]["code"], "no_video");
    let (name, data) = stream.next().await.unwrap();
    assert_eq!((&*name, &data["status"]), ("end", &"failed".into()));
    assert_eq!(stream.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_video_is_deleted() {
    let app = App::start().await;
    let (ann, video, mut stream) = followed(&app).await;
    let path = format!("/api/videos/{}", video["id"].as_str().unwrap());
    assert_eq!(app.ask("DELETE", &path).signed(&ann).await.status, 204);
    let (name, data) = stream.next().await.unwrap();
    assert_eq!((&*name, &data["status"]), ("end", &"deleted".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_session_when_another_password_is_set() {
    let app = App::start().await;
    let (ann, _, mut stream) = followed(&app).await;
    app.db.change_password(&ann.user, "hash").await.unwrap();
    assert_eq!(stream.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_at_once_when_the_server_drains() {
    let app = App::start().await;
    let (_, _, mut stream) = followed(&app).await;
    app.shutdown.start_drain();
    assert_eq!(stream.next().await, None);
    tokio::time::timeout(Duration::from_secs(10), app.server).await.expect("still there").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_holds_only_so_many_streams() {
    let app = App::with(|config| config.max_streams_per_user = 2).await;
    let ann = app.user("ann").await;
    let video = app.upload(&ann).await;
    let path = format!("/api/videos/{}/events", video["id"].as_str().unwrap());
    let one = Stream::open(&app, &ann, &video).await;
    let _two = Stream::open(&app, &ann, &video).await;
    let refused = app.get(&path).signed(&ann).await;
    assert_eq!(refused.problem(), (429, "too_many_streams".to_owned()));
    drop(one);
    eventually("a stream can be opened again", async || {
        app.get(&path).signed(&ann).open().await.status() == 200
    })
    .await;
}
