//! Uploads of every size and manner: each is taken whole or refused with a reason, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{Read as _, repeat},
    thread,
    time::Duration,
};

use reelfleet_e2e::{
    Answer, Fleet, Verdict, clips, files_below,
    hostile::Harm,
    playable, processes,
    small_disk::SmallDisk,
    wait_for,
    wire::{Wire, upload_form},
};
use serde_json::{Value, json};

const OCTETS: &str = "application/octet-stream";
const SOON: Duration = Duration::from_secs(30);

/// What an upload adds: rows of videos and of jobs, and blobs.
fn stored(fleet: &Fleet) -> (usize, usize, usize) {
    let count = |path: &str, name: &str| {
        let page = fleet.client().call("GET", path).unwrap().json;
        page[name].as_array().unwrap_or_else(|| panic!("{page}")).len()
    };
    (
        count("/api/videos?limit=100", "videos"),
        count("/api/admin/jobs?limit=100", "jobs"),
        files_below(&fleet.data().join("blobs")).len(),
    )
}

/// Nothing of refused uploads is left: not a row, not a file.
fn assert_nothing_left(fleet: &Fleet, before: (usize, usize, usize)) {
    let mut now = before;
    let gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for("nothing to be left of uploads", SOON, || {
            now = stored(fleet);
            (now == before && fleet.leftovers().is_empty()).then_some(())
        });
    }));
    assert!(gone.is_ok(), "videos, jobs, blobs: {now:?}, not {before:?}: {:?}", fleet.leftovers());
    fleet.assert_clean();
}

fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.json["code"]), (status, &json!(code)), "{}", answer.json);
    let detail = answer.json["detail"].as_str().unwrap_or_default();
    assert!(detail.ends_with('.'), "{}", answer.json);
    if matches!(status, 429 | 503 | 507) {
        let seconds: u64 = answer.retry_after.as_ref().unwrap().parse().unwrap();
        assert!(seconds > 0);
    }
}

#[test]
fn two_gigabytes_pass_through_little_memory() {
    const BYTES: u64 = 2 << 30;
    let fleet = Fleet::start(&["--max", "1"], &[]);
    let answer =
        fleet.client().upload_from(&mut repeat(b'x').take(BYTES), BYTES, "title=large").unwrap();
    assert_eq!(answer.status, 202, "{}", answer.json);
    assert_eq!(answer.json["source_bytes"], BYTES);
    let peak = processes::peak_memory_kib(fleet.pid()).unwrap();
    assert!(peak < 64 * 1024, "the API took {peak} KiB");
    let verdict = Verdict::wait(&fleet, answer.json["id"].as_str().unwrap());
    assert_eq!(verdict.word(), "not_a_video", "{}", verdict.video);
    assert_eq!(verdict.faults(), Vec::<String>::new());
    fleet.assert_clean();
}

#[test]
fn a_hundred_uploads_at_once_are_taken_or_told_when_to_come_back() {
    let fleet = Fleet::start(&["--min", "2", "--max", "2"], &[("MAX_UPLOADS_AT_ONCE", "20")]);
    let clip = fs::read(clips::short(fleet.folder())).unwrap();
    let client = fleet.client();
    let answers: Vec<Answer> = thread::scope(|scope| {
        let uploads: Vec<_> = (0..100)
            .map(|number| {
                let clip = &clip;
                scope.spawn(move || {
                    // Most are no video: this is about their number, not about ffmpeg.
                    let bytes: &[u8] = if number % 10 == 0 {
                        clip
                    } else {
                        &clip[..clip.len() / 2].repeat(8)[1..]
                    };
                    let mut wire = Wire::upload(client, OCTETS, Some(bytes.len() as u64));
                    let half = bytes.len() / 2;
                    wire.send(&bytes[..half]);
                    wire.send(&bytes[half..]);
                    wire.answer()
                })
            })
            .collect();
        uploads.into_iter().map(|upload| upload.join().unwrap()).collect()
    });
    let (taken, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 202);
    for answer in &refused {
        assert!(matches!(answer.status, 429 | 503), "{} {}", answer.status, answer.json);
        assert_problem(answer, answer.status, answer.json["code"].as_str().unwrap());
    }
    assert!(!taken.is_empty());
    for answer in &taken {
        let verdict = Verdict::wait(&fleet, answer.json["id"].as_str().unwrap());
        assert_eq!(verdict.faults(), Vec::<String>::new(), "{}", verdict.video);
    }
    let (videos, jobs, _) = stored(&fleet);
    assert_eq!((videos, jobs), (taken.len(), taken.len()));
    fleet.assert_clean();
}

/// A5: also a body without end.
#[test]
fn what_is_wrong_with_a_request_is_told_and_leaves_nothing() {
    let fleet = Fleet::start(&["--max", "1"], &[("MAX_UPLOAD_BYTES", "100000")]);
    let client = fleet.client();
    let before = stored(&fleet);
    let upload = |bytes: &[u8], query: &str| {
        client.upload_from(&mut &*bytes, bytes.len() as u64, query).unwrap()
    };
    let large = vec![0; 100_001];

    assert_problem(&upload(b"x", "profile=nonsense"), 422, "unknown_profile");
    assert_problem(&upload(b"x", "priority=nonsense"), 422, "unknown_priority");
    assert_problem(&upload(b"x", "title=a%00b"), 422, "bad_title");
    assert_problem(&upload(b"", ""), 400, "empty_file");
    assert_problem(&upload(&large, ""), 413, "too_large");
    assert_problem(&upload_form(client, b"a.mp4", b""), 400, "empty_file");
    assert_problem(&upload_form(client, b"a.mp4", &large), 413, "too_large");

    // Longer than it says, or never saying.
    let endless = Wire::upload(client, OCTETS, None);
    assert_problem(&endless.send_until_answered(&[0; 8192]), 413, "too_large");
    let mut ended = Wire::upload(client, OCTETS, None);
    ended.send(b"0\r\n\r\n");
    assert_problem(&ended.answer(), 400, "empty_file");

    let mut page = Wire::upload(client, "text/html", Some(1));
    page.send(b"x");
    assert_problem(&page.answer(), 415, "unsupported_media_type");
    let mut form = Wire::upload(client, "multipart/form-data; boundary=x", Some(8));
    form.send(b"nonsense");
    assert_problem(&form.answer(), 400, "bad_multipart");

    for token in ["", "nonsense", &client.token[..client.token.len() - 4]] {
        let other = client.with_token(token);
        let answer = other.upload_from(&mut &b"x"[..], 1, "").unwrap();
        assert_problem(&answer, 401, "not_signed_in");
    }
    let login = client.json("POST", "/api/auth/login", &json!(["nonsense"])).unwrap();
    assert_problem(&login, 400, "bad_json");
    let login = client.json("POST", "/api/auth/login", &Value::Null).unwrap();
    assert_problem(&login, 400, "bad_json");
    assert_problem(&client.call("GET", "/api/videos/nonsense").unwrap(), 404, "not_found");

    assert_nothing_left(&fleet, before);
}

#[test]
fn what_is_no_video_fails_and_can_be_deleted_without_a_trace() {
    let fleet = Fleet::start(&["--max", "1"], &[]);
    let before = stored(&fleet);
    let answer = upload_form(fleet.client(), b"a.mp4", b"hello, this is not a video");
    assert_eq!(answer.status, 202, "{}", answer.json);
    let id = answer.json["id"].as_str().unwrap();
    let verdict = Verdict::wait(&fleet, id);
    assert_eq!((verdict.word(), verdict.faults()), ("not_a_video", Vec::new()));
    let deleted = fleet.client().call("DELETE", &format!("/api/videos/{id}")).unwrap();
    assert_eq!(deleted.status, 204);
    wait_for("the blob to be gone", SOON, || (stored(&fleet).2 == before.2).then_some(()));
    assert_eq!(stored(&fleet).0, before.0);
    fleet.assert_clean();
}

/// A4.
#[test]
fn cut_connections_and_slow_clients_leave_nothing_and_stop_nobody() {
    let settings = [
        ("UPLOAD_STALL_SECONDS", "1"),
        ("MAX_UPLOADS_AT_ONCE", "1000"),
        ("QUOTA_UNFINISHED_VIDEOS", "1000"),
    ];
    let fleet = Fleet::start(&["--max", "1"], &settings);
    let client = fleet.client();
    let before = stored(&fleet);
    let body = vec![0; 300_000];
    let mut harm = Harm::new(5);
    for round in 0..100 {
        let chunked = round % 3 == 0;
        let length = (!chunked).then_some(body.len() as u64);
        let mut wire = Wire::upload(client, OCTETS, length);
        let part = &body[..harm.below(body.len())];
        if chunked {
            wire.send_chunk(part)
        } else {
            wire.send(part)
        };
        // Dropping it cuts the connection.
    }
    assert_nothing_left(&fleet, before);
    // Fifty that have begun and say no more: a good upload passes among them.
    let slow: Vec<Wire> = (0..50)
        .map(|_| {
            let mut wire = Wire::upload(client, OCTETS, Some(body.len() as u64));
            wire.send(&body[..1000]);
            wire
        })
        .collect();
    let good = fleet.submit(&clips::short(fleet.folder()), "web");
    for wire in slow {
        assert_problem(&wire.answer(), 408, "upload_too_slow");
    }
    assert_eq!(fleet.wait_final(&good)["status"], "ready");
    // Its row, its job, its source, its MP4 and its poster.
    assert_nothing_left(&fleet, (before.0 + 1, before.1 + 1, before.2 + 3));
}

/// A6, and B15: SQLite is on that disk.
#[test]
fn a_full_disk_is_told_survived_and_recovered_from() {
    let disk = SmallDisk::mount(96);
    let settings = [("MIN_FREE_DISK_BYTES", "8388608")];
    let fleet = Fleet::start_in(disk.folder(), &["--max", "1"], &settings);
    let elsewhere = tempfile::tempdir().unwrap();
    let clip = clips::short(elsewhere.path());
    let client = fleet.client();
    let first = fleet.submit(&clip, "web");
    assert_eq!(fleet.wait_final(&first)["status"], "ready");
    let before = stored(&fleet);

    // Announced, it is refused before a byte of it is read.
    let bytes = 200 << 20;
    let answer = Wire::upload(client, OCTETS, Some(bytes)).answer();
    assert_problem(&answer, 507, "disk_full");
    // Not announced, it is cut when nothing more fits.
    let endless = Wire::upload(client, OCTETS, None);
    assert_problem(&endless.send_until_answered(&vec![0; 1 << 20]), 507, "disk_full");
    assert_nothing_left(&fleet, before);

    disk.fill();
    let is = |path: &str, status: u16| {
        wait_for(&format!("{path} to be {status}"), SOON, || {
            client.call("GET", path).ok().filter(|answer| answer.status == status)
        })
    };
    assert_problem(&client.upload(&clip, "").unwrap(), 507, "disk_full");
    is("/ready", 503);
    is("/health", 200);
    assert_eq!(fleet.video(&first)["status"], "ready");
    let workers = fleet.workers();

    disk.free();
    is("/ready", 200);
    let second = fleet.submit(&clip, "web");
    let verdict = Verdict::wait(&fleet, &second);
    assert!(verdict.is_ready(), "{}", verdict.video);
    assert_eq!(fleet.workers(), workers, "no worker had to be replaced");
    fleet.assert_clean();
}

/// B22: one retry, by the clock on the wall.
#[test]
fn a_disk_that_fills_up_in_mid_transcode_costs_a_try_and_no_video() {
    let disk = SmallDisk::mount(96);
    let settings = [("MIN_FREE_DISK_BYTES", "1048576")];
    let fleet = Fleet::start_in(disk.folder(), &["--min", "1", "--max", "1"], &settings);
    let elsewhere = tempfile::tempdir().unwrap();
    let id = fleet.submit(&clips::medium(elsewhere.path()), "web");
    let _ = fleet.busy_worker();
    disk.fill();
    wait_for("the try to end", SOON, || fleet.ffmpegs().is_empty().then_some(()));
    assert_ne!(fleet.video(&id)["status"], "failed", "a full disk is not the video's fault");
    disk.free();
    let verdict = Verdict::wait(&fleet, &id);
    assert!(verdict.is_ready(), "{}", verdict.video);
    assert!(verdict.attempts > 1, "the disk was not full in time");
    let folder = elsewhere.path().join("fetched");
    assert_eq!(verdict.file_faults(&fleet, &folder), Vec::<String>::new());
    fleet.assert_clean();
}

#[test]
fn a_video_that_already_conforms_is_not_encoded_again() {
    let fleet = Fleet::start(&["--max", "1"], &[]);
    let words = "-f lavfi -i testsrc2=s=640x360:r=25:d=3 -f lavfi -i sine=d=3 -c:v libx264 -pix_fmt yuv420p -c:a aac";
    for name in ["conforming.mp4", "conforming.mkv"] {
        let clip = clips::make(fleet.folder(), name, words);
        let verdict = Verdict::wait(&fleet, &fleet.submit(&clip, "web"));
        assert!(verdict.is_ready(), "{}", verdict.video);
        let folder = fleet.folder().join("fetched").join(name);
        assert_eq!(verdict.file_faults(&fleet, &folder), Vec::<String>::new());
        assert_eq!(
            playable::packets(&folder.join("video.mp4")),
            playable::packets(&clip),
            "{name}"
        );
    }
    fleet.assert_clean();
}
