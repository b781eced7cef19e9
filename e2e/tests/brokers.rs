//! The whole fleet on the databases, brokers and buckets that a team runs, and without them for a while.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    cell::RefCell,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use reelfleet_e2e::{
    Client, Fleet, clips,
    deployed::create_queues,
    processes,
    settled::{assert_settled, job},
    wait_for,
    way::Way,
    wire::Wire,
};
use reelfleet_servers::{Ministack, Postgres, RabbitMq, Redis};
use rustix::process::Signal;
use serde_json::Value;

const SETTINGS: [(&str, &str); 3] =
    [("LEASE_SECONDS", "3"), ("MAX_ATTEMPTS", "1000"), ("QUOTA_UNFINISHED_VIDEOS", "1000")];

/// For what takes up to 170 ms on a busy machine. A call that hangs takes longer.
const SOON: Duration = Duration::from_secs(3);

/// Between two uploads of one client: more than that, and the test mostly waits for ffmpeg.
const BETWEEN: Duration = Duration::from_millis(700);

/// For a broker to be missed, or found again.
const NOTICE: Duration = Duration::from_secs(60);

fn start(settings: &[(&str, &str)]) -> Fleet {
    let all: Vec<_> = SETTINGS.iter().chain(settings).copied().collect();
    Fleet::start(&["--min", "2", "--max", "2"], &all)
}

fn kill_a_busy_worker(fleet: &Fleet) {
    let busy = fleet.busy_worker();
    processes::signal(busy, Signal::KILL);
    wait_for("its end", SOON, || (!processes::is_alive(busy)).then_some(()));
}

/// Uploads until `stop`, and says which videos were accepted. What is refused says when to come again.
fn upload_until(fleet: &Fleet, stop: &AtomicBool) -> Vec<String> {
    let clip = clips::short(fleet.folder());
    let mut accepted = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let answer = fleet.client().upload(&clip, "profile=web").unwrap();
        match answer.status {
            202 => accepted.push(answer.json["id"].as_str().unwrap().to_owned()),
            503 => assert!(answer.retry_after.is_some(), "{}", answer.json),
            other => panic!("{other}: {}", answer.json),
        }
        pause(BETWEEN);
    }
    accepted
}

/// Uploads while `fault` happens, kills a worker as well; everything that was accepted ends once.
/// What was accepted.
fn survives(fleet: &Fleet, fault: impl FnOnce()) -> Vec<String> {
    // Made before two threads want it.
    let _ = clips::short(fleet.folder());
    let clip = clips::medium(fleet.folder());
    let mut videos: Vec<_> = (0..3).map(|_| fleet.submit(&clip, "web")).collect();
    kill_a_busy_worker(fleet);
    let stop = AtomicBool::new(false);
    videos.extend(std::thread::scope(|scope| {
        let uploads = scope.spawn(|| upload_until(fleet, &stop));
        fault();
        stop.store(true, Ordering::Relaxed);
        uploads.join().unwrap()
    }));
    // And it takes more, without a restart of ours.
    videos.push(wait_for("an upload to be accepted", SOON, || {
        let answer = fleet.client().upload(&clip, "profile=web").unwrap();
        (answer.status == 202).then(|| answer.json["id"].as_str().unwrap().to_owned())
    }));
    assert_settled(fleet, &videos);
    videos
}

fn pause(time: Duration) {
    let until = Instant::now() + time;
    wait_for("a while", Duration::from_secs(60), || (Instant::now() > until).then_some(()));
}

/// A7 and B13: a restart, and no panic.
#[test]
fn a_fleet_on_postgres_goes_on_when_postgres_was_killed() {
    let postgres = Postgres::start();
    let fleet = start(&[("DATABASE_URL", &postgres.create("fleet"))]);
    let up = fleet.pid();
    survives(&fleet, || {
        postgres.kill();
        pause(Duration::from_secs(5));
        let answer = fleet.client().call("GET", "/ready").unwrap();
        assert_eq!(answer.status, 503);
        let clip = clips::short(fleet.folder());
        let answer = fleet.client().upload(&clip, "profile=web").unwrap();
        assert!(answer.status == 503 && answer.retry_after.is_some(), "{answer:?}");
        postgres.restart();
    });
    assert_eq!(fleet.pid(), up);
    assert!(!fleet.log().contains("panicked"), "{}", fleet.log());
}

/// B3.
#[test]
fn a_worker_that_cannot_renew_its_lease_stops_before_it_ends_and_goes_on_later() {
    const LEASE: Duration = Duration::from_secs(12);
    let postgres = Postgres::start();
    let settings = [("DATABASE_URL", &*postgres.create("fleet")), ("LEASE_SECONDS", "12")];
    let fleet = Fleet::start(&["--max", "1"], &settings);
    let long = fleet.submit(&clips::long(fleet.folder()), "web");
    let worker = fleet.busy_worker();
    postgres.freeze();
    let began = Instant::now();
    wait_for("its ffmpeg to be gone", LEASE, || fleet.ffmpegs().is_empty().then_some(()));
    // The lease was last renewed up to a second before.
    let took = began.elapsed();
    assert!(took < LEASE - Duration::from_secs(1), "{took:?}");
    assert!(took > LEASE / 3, "it did not even try: {took:?}");
    postgres.thaw();
    assert_eq!(fleet.busy_worker(), worker, "it was replaced rather than let work");
    let _ = fleet.run(&["cancel", &long]);
    assert_eq!(fleet.wait_final(&long)["status"], "cancelled");
}

/// Holds every job back at the moment in which its row would be closed.
const AT_THE_END: &str = "
    CREATE FUNCTION at_the_end() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(5); RAISE EXCEPTION 'not yet'; END $$;
    CREATE TRIGGER at_the_end BEFORE UPDATE OF state ON jobs FOR EACH ROW
        WHEN (NEW.state = 'done') EXECUTE FUNCTION at_the_end();";

/// Waits until one is held back.
const IS_AT_THE_END: &str = "
    SET statement_timeout = '120s';
    DO $$ BEGIN
        WHILE NOT EXISTS (SELECT FROM pg_stat_activity
                           WHERE wait_event = 'PgSleep' AND pid <> pg_backend_pid()) LOOP
            PERFORM pg_sleep(0.02), pg_stat_clear_snapshot();
        END LOOP;
    END $$;";

/// E2.
#[test]
fn a_worker_killed_between_its_files_and_its_row_leaves_one_result() {
    let postgres = Postgres::start();
    let mut fleet = start(&[("DATABASE_URL", &postgres.create("fleet"))]);
    postgres.run("fleet", AT_THE_END);
    let video = fleet.submit(&clips::short(fleet.folder()), "web");
    postgres.run("fleet", IS_AT_THE_END);
    let first = fleet.output_folders();
    assert_eq!(first.len(), 1);
    for worker in fleet.workers() {
        processes::signal(worker, Signal::KILL);
    }
    postgres.run("fleet", "DROP TRIGGER at_the_end ON jobs");
    let executions = assert_settled(&fleet, std::slice::from_ref(&video));
    assert!(executions[&video] > 1, "{executions:?}");
    // Everything that is stored is looked through every ten minutes, and at a start.
    fleet.signal(Signal::TERM);
    fleet.wait_end(NOTICE);
    fleet.up_again();
    wait_for("the files of the lost claim to go", NOTICE, || {
        let left = fleet.output_folders();
        (left.len() == 1 && left != first).then_some(())
    });
}

#[test]
fn a_fleet_on_postgres_that_is_killed_goes_on_where_it_was() {
    let postgres = Postgres::start();
    let mut fleet = start(&[("DATABASE_URL", &postgres.create("fleet"))]);
    let clip = clips::medium(fleet.folder());
    let videos: Vec<_> = (0..3).map(|_| fleet.submit(&clip, "web")).collect();
    let _ = fleet.busy_worker();
    fleet.kill_all();
    fleet.up_again();
    assert_settled(&fleet, &videos);
}

/// What the fleet says of its queue.
fn queue(fleet: &Fleet) -> Value {
    fleet.client().call("GET", "/api/admin/queue").unwrap().json
}

/// Messages that the broker has, waiting or in hand.
fn messages(fleet: &Fleet) -> u64 {
    let queue = queue(fleet);
    let of = |lane: &Value| lane["ready"].as_u64().unwrap() + lane["in_flight"].as_u64().unwrap();
    queue["lanes"].as_array().unwrap().iter().map(of).sum()
}

/// A job under way has no message: no broker's patience can end before it does.
fn has_no_message_of_a_job_under_way(fleet: &Fleet) {
    let long = fleet.submit(&clips::long(fleet.folder()), "web");
    let _ = fleet.busy_worker();
    wait_for("the message to be acknowledged", NOTICE, || (messages(fleet) == 0).then_some(()));
    assert_eq!(fleet.video(&long)["status"], "processing");
    let _ = fleet.run(&["cancel", &long]);
    assert_eq!(fleet.wait_final(&long)["status"], "cancelled");
}

/// Without its broker a fleet takes work all the same, says so, and does it when the broker is back.
fn goes_on_without_its_broker(settings: &[(&str, &str)], kill: impl Fn(), restart: impl Fn()) {
    let fleet = start(settings);
    has_no_message_of_a_job_under_way(&fleet);
    survives(&fleet, || {
        kill();
        wait_for("the fleet to notice", NOTICE, || {
            (queue(&fleet)["broker_available"] == false).then_some(())
        });
        let clip = clips::short(fleet.folder());
        let accepted = fleet.client().upload(&clip, "profile=web").unwrap();
        assert_eq!(accepted.status, 202, "{}", accepted.json);
        restart();
        wait_for("the fleet to notice", NOTICE, || {
            (queue(&fleet)["broker_available"] == true).then_some(())
        });
        let id = accepted.json["id"].as_str().unwrap();
        assert_eq!(fleet.wait_final(id)["status"], "ready");
    });
}

/// A2, B3 and B7: what is accepted does not need the broker, nor does what is under way.
#[test]
fn a_fleet_on_postgres_and_redis_goes_on_when_redis_was_killed() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    goes_on_without_its_broker(
        &[
            ("DATABASE_URL", &postgres.create("fleet")),
            ("QUEUE_TYPE", "redis"),
            ("REDIS_URL", &redis.url(0)),
        ],
        || redis.kill(),
        || redis.restart(),
    );
}

/// A2, B3 and B7: what is accepted does not need the broker, nor does what is under way.
#[test]
fn a_fleet_on_rabbitmq_goes_on_when_rabbitmq_was_killed() {
    let (postgres, node) = (Postgres::start(), RabbitMq::start());
    goes_on_without_its_broker(
        &[
            ("DATABASE_URL", &postgres.create("fleet")),
            ("QUEUE_TYPE", "rabbitmq"),
            ("RABBITMQ_URL", &node.create("fleet")),
        ],
        || node.kill(),
        || node.restart(),
    );
}

/// A2, B3 and B7: what is accepted does not need the broker, nor does what is under way. The
/// emulator comes back empty: its messages are sent again. No key is given: it comes from the
/// role of the instance.
#[test]
fn a_fleet_on_sqs_goes_on_when_sqs_was_killed() {
    let server = RefCell::new(Ministack::start());
    create_queues(&server.borrow(), "fleet");
    let (endpoint, queues) = (server.borrow().endpoint(), server.borrow().queue_url("fleet"));
    goes_on_without_its_broker(
        &[
            ("QUEUE_TYPE", "sqs"),
            ("SQS_QUEUE_URL", &queues),
            ("SQS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint),
        ],
        || server.borrow_mut().kill(),
        || {
            server.borrow_mut().restart();
            create_queues(&server.borrow(), "fleet");
        },
    );
}

/// B4: to workers that are at it, and to those that have done it.
#[test]
fn a_thousand_doubles_of_messages_have_no_effect() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let fleet = start(&[
        ("DATABASE_URL", &postgres.create("fleet")),
        ("QUEUE_TYPE", "redis"),
        ("REDIS_URL", &redis.url(0)),
    ]);
    let clip = clips::medium(fleet.folder());
    let videos: Vec<_> = (0..4).map(|_| fleet.submit(&clip, "web")).collect();
    let mut wire = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    for video in &videos {
        let job = fleet.video(video)["job"].as_str().unwrap().to_owned();
        let doubles = format!(
            "EVAL \"for n = 1, 250 do redis.call('XADD', KEYS[1], '*', 'm', ARGV[1]) end return false\" \
             1 {{reelfleet}}:transcode-normal '{{\"v\":1,\"job\":\"{job}\",\"kind\":\"transcode\"}}'\r\n"
        );
        wire.write_all(doubles.as_bytes()).unwrap();
        let mut answer = [0; 5];
        wire.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"$-1\r\n", "{}", String::from_utf8_lossy(&answer));
    }
    let executions = assert_settled(&fleet, &videos);
    assert!(executions.values().all(|times| *times == 1), "{executions:?}");
    wait_for("every double to be dropped", NOTICE, || (messages(&fleet) == 0).then_some(()));
    for video in &videos {
        assert_eq!(job(&fleet, video)["epoch"], 1);
    }
}

/// Names and sizes of the sources in the bucket, and whether an upload to it is not complete.
fn bucket(server: &Ministack) -> (Vec<(String, u64)>, bool) {
    let client = Client::new(&server.endpoint(), "");
    let text = |path| String::from_utf8(client.call("GET", path).unwrap().bytes).unwrap();
    let listed = text("/videos?list-type=2&prefix=sources/&max-keys=1000");
    let inner = |of: &str, tag: &str| {
        let (_, rest) = of.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once('<')?.0.to_owned())
    };
    let object = |of: &str| {
        let name = inner(of, "Key")?.trim_start_matches("sources/").to_owned();
        Some((name, inner(of, "Size")?.parse().ok()?))
    };
    let objects = listed.split("<Contents>").skip(1).filter_map(object).collect();
    (objects, text("/videos?uploads").contains("<UploadId>"))
}

/// E1: it is away.
#[test]
fn a_fleet_on_s3_refuses_uploads_while_s3_is_away_and_goes_on_when_it_is_back() {
    let server = Ministack::start();
    let made = Client::new(&server.endpoint(), "").call("PUT", "/videos").unwrap();
    assert_eq!(made.status, 200);
    let way = Way::before(server.port());
    let fleet = start(&[
        ("STORAGE_TYPE", "s3"),
        ("S3_BUCKET", "videos"),
        ("S3_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{}", way.port())),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]);
    let up = fleet.pid();
    let clip = clips::short(fleet.folder());
    let accepted = survives(&fleet, || {
        // Its first parts are there when the bucket goes away.
        let part = vec![7; 9 << 20];
        let mut halved =
            Wire::upload(fleet.client(), "application/octet-stream", Some(3 * part.len() as u64));
        assert!(halved.send(&part));
        wait_for("a part to be stored", NOTICE, || bucket(&server).1.then_some(()));
        way.close();
        let _ = halved.send(&part) && halved.send(&part);
        for answer in [halved.answer(), fleet.client().upload(&clip, "profile=web").unwrap()] {
            assert_eq!((answer.status, &answer.json["code"]), (503, &"busy".into()));
            let seconds: u64 = answer.retry_after.unwrap().parse().unwrap();
            assert!(seconds > 0);
        }
        assert_eq!(fleet.client().call("GET", "/ready").unwrap().status, 503);
        way.open();
    });
    assert_eq!(fleet.pid(), up);
    assert_eq!(fleet.client().call("GET", "/ready").unwrap().status, 200);
    // Nothing is half written: what is there is whole, and of an accepted video. The upload that
    // was under way when the bucket went away may have stored its file before.
    let sizes = [clip, clips::medium(fleet.folder())].map(|clip| clip.metadata().unwrap().len());
    let (sources, _) = bucket(&server);
    assert!(sources.iter().all(|(_, bytes)| sizes.contains(bytes)), "{sources:?}");
    let is_there = |id: &String| sources.iter().any(|(name, _)| name == id);
    assert!(accepted.iter().all(is_there), "{sources:?}");
    assert!(sources.len() <= accepted.len() + 1, "{sources:?}");
}
