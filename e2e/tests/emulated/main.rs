//! The fleet end to end on what AWS is emulated by: `reelfleet api` and two `reelfleet worker`, on a
//! real Postgres, with the queues and the bucket of the project's own stacks.
//!
//! ```text
//! deploy.sh ─► MiniStack: queues, bucket      api ─► S3, SQS ─► 2 × worker ─► S3
//! test ─► api ─► signed URL ─► S3             one of them ─► CloudWatch ─► test
//! ```

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod metrics;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use metrics::Metrics;
use reelfleet_e2e::{Client, Deployed, Role, clips, cloud::Cloud, media, playable, wait_for};
use reelfleet_servers::{Ministack, Postgres};
use rustix::process::Signal;
use serde_json::Value;

/// The name of the environment, of which everything else has its name.
const ENVIRONMENT: &str = "film";

/// Of the corpus: as many containers and codecs as there are files.
const FILES: [&str; 8] = [
    "3gp_640x360.3gp",
    "b.avi",
    "bear-vp9.webm",
    "big_buck_bunny_432_433.webm",
    "h265_10bits.mp4",
    "sample-with-key-frame-index.flv",
    "sample_av1.mkv",
    "sample_with_vobsub.mkv",
];

/// A busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Real videos where the corpus is there; else clips made here.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let corpus = media::corpus();
    let of = |name: &&str| corpus.iter().find(|known| known.name == **name);
    let real: Vec<_> = FILES.iter().filter_map(of).map(|known| known.path.clone()).collect();
    if real.len() == FILES.len() {
        println!("with files of the corpus: {FILES:?}");
        return real;
    }
    println!("the corpus of real files is not there: with clips that ffmpeg makes");
    let pictures = "-f lavfi -i testsrc2=s=640x360:r=25";
    let sound = "-f lavfi -i sine";
    [
        ("avi", "-c:v mpeg4 -q:v 8 -c:a libmp3lame"),
        ("mkv", "-c:v libx264 -preset ultrafast -c:a aac"),
        ("mov", "-c:v mjpeg -q:v 5 -pix_fmt yuvj420p -c:a pcm_s16le"),
        ("mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuv444p -c:a aac"),
        ("webm", "-c:v libvpx -deadline realtime -c:a libopus"),
        ("flv", "-c:v flv -ar 44100 -c:a libmp3lame"),
        ("ts", "-c:v mpeg2video -q:v 5 -c:a mp2"),
        ("3gp", "-c:v mpeg4 -q:v 8 -c:a aac"),
    ]
    .iter()
    .map(|(end, codecs)| {
        clips::make(folder, &format!("clip.{end}"), &format!("{pictures} {sound} -t 3 {codecs}"))
    })
    .collect()
}

#[test]
fn real_videos_go_through_queue_and_bucket_and_the_metrics_tell_of_it() {
    let (postgres, aws) = (Postgres::start(), Ministack::start());
    let cloud = Cloud::at(&aws.endpoint());
    let stacks = ["--only", "02-s3-iam", "--only", "03.5-sqs-queue"];
    let _ =
        cloud.deploy("up", ENVIRONMENT, &[&["--parameters", "small"], &stacks[..]].concat()).fine();
    let bucket = cloud.output("film-02-s3-iam", "VideoBucket");
    let queues = cloud.output("film-03-5-sqs-queue", "QueueBaseName");
    let fleet = Deployed::start(&[
        ("DATABASE_URL", &postgres.create("fleet")),
        ("QUEUE_TYPE", "sqs"),
        ("SQS_QUEUE_URL", &aws.queue_url(&queues)),
        ("SQS_REGION", "us-east-1"),
        ("STORAGE_TYPE", "s3"),
        ("S3_BUCKET", &bucket),
        ("S3_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", &aws.endpoint()),
        ("CLOUDWATCH_ENVIRONMENT", ENVIRONMENT),
        ("CLOUDWATCH_PERIOD_SECONDS", "10"),
        ("LEASE_SECONDS", "30"),
    ]);
    let metrics = Metrics::of(&aws, ENVIRONMENT);

    let sources = sources(fleet.folder());
    let none = fleet.folder().join("none.mp4");
    fs::write(&none, "no video").unwrap();
    let videos: Vec<_> = sources.iter().map(|source| fleet.submit(source)).collect();
    let no_video = fleet.submit(&none);
    nobody_works(&metrics, &[&sources[..], &[none]].concat());

    let mut workers = ["worker-a", "worker-b"].map(|name| fleet.worker(name, &[]));
    for video in &videos {
        let seen = fleet.wait_final(video);
        assert_eq!(seen["status"], "ready", "{seen}");
    }
    assert_eq!(fleet.wait_final(&no_video)["status"], "failed");
    let who: BTreeSet<_> = videos
        .iter()
        .map(|video| fleet.job(video)["attempts_history"][0]["worker"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(who, workers.iter().map(|worker| worker.id.clone()).collect());
    two_work_while_two_wait(&fleet, &metrics, &workers);
    everybody_is_idle(&metrics);
    metrics.assert_sound();

    for (video, source) in videos.iter().zip(&sources) {
        served_by_the_bucket(&fleet, &format!("{}/{bucket}/", aws.endpoint()), video, source);
    }
    let dead = aws.queue_url(&format!("{queues}-dead"));
    wait_for("a letter of the dead job", PATIENCE, || (cloud.messages(&dead) == 1).then_some(()));
    for worker in &mut workers {
        worker.signal(Signal::TERM);
        assert_eq!(worker.wait_end(PATIENCE), Some(0));
    }
}

/// Nothing has begun: every value is known beforehand.
fn nobody_works(metrics: &Metrics, sources: &[PathBuf]) {
    let jobs = sources.len() as f64;
    // Nothing has finished from which there would be anything to learn: by how long its header says
    // that it lasts, else by its bytes, half a second at least (docs/METRICS.md), on one slot.
    let seconds = |source: &PathBuf| {
        let bytes = fs::metadata(source).unwrap().len();
        let says = ["mp4", "mov", "3gp", "mkv", "webm"].map(Some);
        let says = says.contains(&source.extension().and_then(|end| end.to_str())) && bytes > 8;
        let by_bytes = bytes as f64 / 1e6 * 8.0 / 13.0;
        let lasts = if says { playable::facts(source).duration_s } else { by_bytes };
        (lasts * 0.7).max(0.5)
    };
    let seconds: f64 = sources.iter().map(seconds).sum();
    let before = metrics.next();
    before.assert_are(&[
        ("JobsWaiting", jobs),
        ("JobsRunning", 0.0),
        ("WorkersActive", 0.0),
        ("BacklogPerWorker", jobs),
        ("JobsDead", 0.0),
    ]);
    let told = before.value("BacklogSecondsPerWorker");
    // What a header says may be a few pictures off.
    assert!((told / seconds - 1.0).abs() < 0.05, "{told} is not {seconds}");
    let later = metrics.next();
    let waited = later.value("OldestWaitingSeconds") - before.value("OldestWaitingSeconds");
    let between = (later.at - before.at) as f64;
    // Each is told at some moment of its period.
    assert!((waited - between).abs() <= 10.0, "{waited} s in {between} s");
    assert!(before.value("OldestWaitingSeconds") > 0.0);
    assert!((later.value("JobsWaiting") - jobs).abs() < 1e-9, "{later:?}");
}

/// Of videos that take longer than a period takes to come, each worker has one in hand.
fn two_work_while_two_wait(fleet: &Deployed, metrics: &Metrics, workers: &[Role]) {
    let film = clips::long(fleet.folder());
    let videos: Vec<_> = (0..4).map(|_| fleet.submit(&film)).collect();
    wait_for("both workers to be busy", PATIENCE, || {
        workers.iter().all(Role::encodes).then_some(())
    });
    let values = metrics.next();
    values.assert_are(&[
        ("JobsWaiting", 2.0),
        ("JobsRunning", 2.0),
        ("WorkersActive", 2.0),
        ("BacklogPerWorker", 2.0),
        ("JobsDead", 1.0),
    ]);
    assert!(values.value("BacklogSecondsPerWorker") > 0.0, "{values:?}");
    for video in &videos {
        fleet.client.call("POST", &format!("/api/videos/{video}/cancel")).unwrap();
    }
    for video in &videos {
        assert_eq!(fleet.wait_final(video)["status"], "cancelled");
    }
}

/// All is done: that is known, too.
fn everybody_is_idle(metrics: &Metrics) {
    metrics.next().assert_are(&[
        ("JobsWaiting", 0.0),
        ("JobsRunning", 0.0),
        ("WorkersActive", 2.0),
        ("BacklogPerWorker", 0.0),
        ("BacklogSecondsPerWorker", 0.0),
        ("OldestWaitingSeconds", 0.0),
        ("JobsDead", 1.0),
    ]);
}

/// The API says where the file is, and the bucket hands it out to whoever was told.
///
/// That an address ends after its time is tested where it can be made short: `a_signed_url_reads_one_
/// blob_for_a_while` in crates/storage, on this emulator. It lets anybody read who brings no
/// signature at all, which S3 does not: that is not tested.
fn served_by_the_bucket(fleet: &Deployed, bucket: &str, video: &str, source: &Path) {
    let seen = fleet.video(video);
    let file = seen["files"].as_array().unwrap().iter().find(|file| file["name"] == "video.mp4");
    let file = file.unwrap_or_else(|| panic!("no film: {seen}"));
    let answer = fleet.client.call("GET", file["url"].as_str().unwrap()).unwrap();
    assert_eq!((answer.status, answer.bytes.len()), (302, 0));
    let address = answer.location.unwrap();
    assert!(address.starts_with(bucket), "{address} is not in {bucket}");
    let (_, rest) = address.split_once("X-Amz-Signature=").unwrap();
    assert!(!address.contains(&fleet.client.token), "{address}");

    let fetch = |address: &str| Client::new(address, "").call("GET", "").unwrap();
    let served = fetch(&address);
    assert_eq!((served.status, Some(served.bytes.len() as u64)), (200, file["bytes"].as_u64()));
    let other = if rest.starts_with('0') { "1" } else { "0" };
    let changed = address.replace(
        &format!("X-Amz-Signature={rest}"),
        &format!("X-Amz-Signature={other}{}", &rest[1..]),
    );
    assert_eq!(fetch(&changed).status, 403, "{changed}");

    let film = fleet.folder().join(format!("{video}.mp4"));
    fs::write(&film, &served.bytes).unwrap();
    assert_eq!(playable::faults(&film), Vec::<String>::new(), "{}", source.display());
    let (got, wanted) = (playable::facts(&film).duration_s, playable::facts(source).duration_s);
    assert!(playable::is_about(got, wanted), "{got} s of {wanted}: {}", source.display());
    assert!(is_close(&seen["duration_s"], got), "{seen}: {got} s");
}

fn is_close(told: &Value, got: f64) -> bool {
    told.as_f64().is_some_and(|told| playable::is_about(told, got))
}
