use bytes::{BufMut, Bytes, BytesMut};

use crate::{app::App, client::Answer};

/// A form with its media type: parts by name, with a file's name, and content.
pub(crate) fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (String, Bytes) {
    let mut body = BytesMut::new();
    for (name, filename, content) in parts {
        body.put_slice(b"--cut\r\ncontent-disposition: form-data; name=\"");
        body.put_slice(name.as_bytes());
        if let Some(filename) = filename {
            body.put_slice(b"\"; filename=\"");
            body.put_slice(filename.as_bytes());
            body.put_slice(b"\"\r\ncontent-type: text/html");
        } else {
            body.put_slice(b"\"");
        }
        body.put_slice(b"\r\n\r\n");
        body.put_slice(content);
        body.put_slice(b"\r\n");
    }
    body.put_slice(b"--cut--\r\n");
    ("multipart/form-data; boundary=cut".to_owned(), body.freeze())
}

async fn send(app: &App, body: impl Into<Bytes>) -> Answer {
    let ann = app.db.user_by_email("ann@example.org").await.unwrap();
    let token = match ann {
        Some(user) => reelfleet_api::issue_token(
            &app.config,
            &user,
            &app.clock,
            std::time::Duration::from_secs(60),
        ),
        None => app.user("ann").await.token,
    };
    app.post("/api/videos")
        .header("authorization", &format!("Bearer {token}"))
        .header("content-type", "multipart/form-data; boundary=cut")
        .body(body)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn details_count_before_and_after_the_file() {
    let app = App::start().await;
    let details: [(&str, Option<&str>, &[u8]); 3] =
        [("title", None, b"Clip"), ("profile", None, b"hls"), ("priority", None, b"low")];
    let file: (&str, Option<&str>, &[u8]) = ("file", Some("a.mp4"), b"frames");
    for place in 0..=3 {
        let mut parts = details.to_vec();
        parts.insert(place, file);
        let answer = send(&app, form(&parts).1).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let video = answer.json();
        assert_eq!((&video["title"], &video["profile"]), (&"Clip".into(), &"hls".into()));
        assert_eq!((&video["priority"], &video["source_bytes"]), (&"low".into(), &6.into()));
    }
}

/// A8: names of files.
#[tokio::test(flavor = "multi_thread")]
async fn a_files_name_is_a_title_and_nothing_else() {
    let app = App::start().await;
    let long = format!("{}.mp4", "日".repeat(100));
    for (filename, title) in [
        ("holiday.mp4", "holiday"),
        ("../../../etc/passwd", "passwd"),
        ("a%03d.mp4", "a%03d"),
        ("-x.mp4", "-x"),
        ("<script>.mp4", "<script>"),
        ("concat:x|y", "concat:x|y"),
        ("", "Untitled"),
        ("...", "Untitled"),
        (long.as_str(), &"日".repeat(100)),
    ] {
        let answer = send(&app, form(&[("file", Some(filename), b"frames")]).1).await;
        assert_eq!((answer.status, &answer.json()["title"]), (202, &title.into()), "{filename}");
    }
    let unnamed = send(&app, form(&[("file", None, b"frames")]).1).await;
    assert_eq!((unnamed.status, &unnamed.json()["title"]), (202, &"Untitled".into()));
    // Whatever they were called, blobs have names of ours only.
    for entry in std::fs::read_dir(app.folder.path().join("blobs/sources")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.parse::<uuid::Uuid>().is_ok(), "{name}");
    }
}

/// A8: fields and files.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_the_wrong_kind_is_refused_and_leaves_nothing() {
    let app = App::start().await;
    let file: (&str, Option<&str>, &[u8]) = ("file", Some("a.mp4"), b"frames");
    let long = vec![b'x'; 5000];
    let many: Vec<_> = (0..10_000).map(|_| ("x", None, &b"y"[..])).collect();
    let many_files: Vec<_> = (0..100).map(|_| file).collect();
    for (what, parts, expected) in [
        ("no parts", vec![], (400, "missing_file")),
        ("no file", vec![("title", None, &b"x"[..])], (400, "missing_file")),
        ("a wrong name", vec![("video", Some("a.mp4"), &b"x"[..])], (400, "missing_file")),
        ("empty file", vec![("file", Some("a.mp4"), &b""[..])], (400, "empty_file")),
        ("two files", vec![file, file], (400, "bad_multipart")),
        ("a hundred files", many_files, (400, "bad_multipart")),
        (
            "two titles",
            vec![("title", None, &b"x"[..]), file, ("title", None, b"y")],
            (400, "bad_multipart"),
        ),
        ("ten thousand parts", many, (400, "bad_multipart")),
        ("long title", vec![("title", None, &long[..]), file], (400, "bad_multipart")),
        ("201 characters", vec![("title", None, &long[..201]), file], (422, "bad_title")),
        ("title with NUL", vec![file, ("title", None, b"a\0b")], (422, "bad_title")),
        ("title not UTF-8", vec![("title", None, &b"\xff\xfe"[..]), file], (400, "bad_multipart")),
        ("unknown profile", vec![file, ("profile", None, b"../web")], (422, "unknown_profile")),
        ("unknown priority", vec![("priority", None, &b"0"[..]), file], (422, "unknown_priority")),
    ] {
        let answer = send(&app, form(&parts).1).await;
        assert_eq!(answer.problem(), (expected.0, expected.1.to_owned()), "{what}");
    }
    assert_eq!((app.temporary_files(), app.sources().await), (0, 0));
}

/// A8: what is no form.
#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_form_is_refused_and_leaves_nothing() {
    let app = App::start().await;
    let head = "--cut\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\n\r\n";
    let nul = "--cut\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\0b\"\r\n\r\nx\r\n--cut--\r\n";
    for (what, body) in [
        ("no boundary", "frames".to_owned()),
        ("cut in the head", head[..30].to_owned()),
        ("cut in the file", format!("{head}frames")),
        ("cut in the boundary", format!("{head}frames\r\n--cu")),
        ("no last boundary", format!("{head}frames\r\n--cut\r\n")),
        ("another boundary", format!("{head}frames\r\n--other--\r\n")),
        ("NUL in a name", nul.to_owned()),
        ("an endless head", format!("--cut\r\nx: {}", "y".repeat(1 << 20))),
        ("an endless begin", "y".repeat(1 << 20)),
        ("nothing but a name", "--cut\r\n\r\nframes\r\n--cut--\r\n".to_owned()),
    ] {
        let answer = send(&app, body).await;
        let (status, code) = answer.problem();
        assert_eq!(status, 400, "{what}");
        assert!(matches!(&*code, "bad_multipart" | "missing_file"), "{what}: {code}");
    }
    assert_eq!((app.temporary_files(), app.sources().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_arrives_byte_by_byte_is_read_all_the_same() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (media_type, body) =
        form(&[("title", None, b"Clip"), ("file", Some("a"), b"\r\n--cu\r\n--c")]);
    let bytes = futures_util::stream::iter((0..body.len()).map(move |n| body.slice(n..=n)));
    let ask = app.post("/api/videos").signed(&ann).header("content-type", &media_type);
    let answer = ask.stream(bytes).await;
    assert_eq!((answer.status, &answer.json()["source_bytes"]), (202, &11.into()), "{answer:?}");
}
