//! A release is everything that an instance runs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use reelfleet_e2e::{
    Client, clips,
    cloud::{Cloud, Said, deployment, run},
    processes, wait_for,
};
use reelfleet_servers::Ministack;
use rustix::process::Signal;
use serde_json::Value;

/// A busy machine starts slowly.
const PATIENCE: Duration = Duration::from_secs(120);

const NAME: &str = "reelfleet-9.8.7-linux-x86_64.tar.gz";

/// Makes a release of the executable under test; what the script said.
fn release(cloud: &Cloud, to: &Path, umask: &str) -> String {
    let authorities = cloud.folder().join("authorities.pem");
    fs::write(&authorities, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n").unwrap();
    let mut sh = cloud.command("sh");
    sh.args(["-c", "umask \"$0\"; exec \"$@\"", umask]).arg(deployment().join("release.sh"));
    sh.args(["--version", "9.8.7", "--executable"]).arg(reelfleet_e2e::executable());
    sh.arg("--rds-ca").arg(&authorities).arg("--output").arg(to);
    Said::of(&run(&mut sh)).fine()
}

fn digest(said: &str) -> String {
    let line = said.lines().find_map(|line| line.strip_prefix("sha256 ")).unwrap();
    line.to_owned()
}

/// A root that holds the release and nothing else.
struct Bare {
    root: PathBuf,
    data: PathBuf,
    running: Option<Child>,
}

impl Bare {
    fn of(cloud: &Cloud, bundle: &Path) -> Self {
        let root = cloud.folder().join("bare");
        let (home, data) = (root.join("opt/reelfleet"), cloud.folder().join("data"));
        fs::create_dir_all(&home).unwrap();
        fs::create_dir_all(&data).unwrap();
        let mut tar = cloud.command("tar");
        let unpacked = run(tar.arg("-xzf").arg(bundle).arg("-C").arg(&home).arg("--no-same-owner"));
        let _ = Said::of(&unpacked).fine();
        Self { root, data, running: None }
    }

    fn command(&self, cloud: &Cloud, program: &str) -> std::process::Command {
        let mut bwrap = cloud.command("bwrap");
        bwrap.arg("--ro-bind").arg(self.root.join("opt")).arg("/opt");
        bwrap.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
        bwrap.arg("--bind").arg(&self.data).arg("/data");
        bwrap.args(["--unshare-pid", "--die-with-parent", "--clearenv", "--chdir", "/data"]);
        bwrap
            .args(["--setenv", "SANDBOX", "require", "--"])
            .arg(format!("/opt/reelfleet/bin/{program}"));
        bwrap
    }

    /// The whole fleet, out of the release.
    fn up(&mut self, cloud: &Cloud) -> Client {
        let log = fs::File::create(self.data.join("log")).unwrap();
        let mut up = self.command(cloud, "reelfleet");
        up.args(["up", "--listen", "127.0.0.1:0", "--data", "/data/fleet", "--max", "1"]);
        let up = up.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
        self.running = Some(up.spawn().unwrap());
        let word = wait_for("the fleet's address", PATIENCE, || {
            if let Some(Ok(Some(status))) = self.running.as_mut().map(Child::try_wait) {
                panic!("it ended with {status}:\n{}", self.log());
            }
            let text = fs::read(self.data.join("fleet/fleet.json")).ok()?;
            serde_json::from_slice::<Value>(&text).ok()
        });
        Client::new(word["url"].as_str().unwrap(), word["token"].as_str().unwrap())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.data.join("log")).unwrap_or_default()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // With it goes its namespace of processes, and all that is in it.
        if let Some(mut running) = self.running.take() {
            processes::signal(running.id().cast_signed(), Signal::KILL);
            let _ = running.wait();
        }
    }
}

#[test]
fn a_release_runs_where_there_is_nothing_else_and_is_the_same_bytes_each_time() {
    let emulator = Ministack::start();
    let cloud = Cloud::at(&emulator.endpoint());
    let (one, two) = (cloud.folder().join("one"), cloud.folder().join("two"));
    let said = std::thread::scope(|scope| {
        let again = scope.spawn(|| release(&cloud, &two, "077"));
        let said = release(&cloud, &one, "022");
        assert_eq!(digest(&said), digest(&again.join().unwrap()));
        said
    });
    let sum = run(cloud.command("sha256sum").arg(one.join(NAME)));
    assert!(Said::of(&sum).fine().starts_with(&digest(&said)));

    let mut bare = Bare::of(&cloud, &one.join(NAME));
    let home = bare.root.join("opt/reelfleet");
    let checked = run(cloud
        .command("sha256sum")
        .args(["--check", "--quiet", "SHA256SUMS"])
        .current_dir(&home));
    let _ = Said::of(&checked).fine();
    // What deploy.sh compares is what these very programs know.
    let numbers = run(bare.command(&cloud, "reelfleet").args(["migrate", "--numbers"]));
    let numbers = Said::of(&numbers).fine();
    assert_eq!(fs::read_to_string(home.join("SCHEMA")).unwrap(), numbers);
    let written = fs::read_dir(deployment().join("../crates/db/migrations/postgres")).unwrap();
    assert!(numbers.starts_with(&format!("{} ", written.count())), "{numbers}");
    for program in ["ffmpeg", "ffprobe"] {
        let _ = Said::of(&run(bare.command(&cloud, program).arg("-version"))).fine();
    }

    // A real video through the real executable, with the ffmpeg and the sandbox that it brings.
    let client = bare.up(&cloud);
    let answer = client.upload(&clips::short(cloud.folder()), "profile=web").unwrap();
    assert_eq!(answer.status, 202, "{}\n{}", answer.json, bare.log());
    let path = format!("/api/videos/{}", answer.json["id"].as_str().unwrap());
    let video = wait_for("the video's end", PATIENCE, || {
        let video = client.call("GET", &path).unwrap().json;
        ["ready", "failed"].contains(&video["status"].as_str().unwrap_or_default()).then_some(video)
    });
    assert_eq!(video["status"], "ready", "{video}\n{}", bare.log());
    assert!(!bare.log().contains("WITHOUT a sandbox"), "{}", bare.log());

    upload(&cloud, &emulator, &one);
}

/// A version in the bucket never changes.
fn upload(cloud: &Cloud, emulator: &Ministack, made: &Path) {
    let _ = cloud.aws(&["s3api", "create-bucket", "--bucket", "artifacts"]);
    let upload = |file: &Path| {
        let mut script = cloud.command(deployment().join("release.sh"));
        script.arg("--file").arg(file).args(["--upload", "artifacts", "--region", "us-east-1"]);
        Said::of(&run(script.args(["--endpoint-url", &emulator.endpoint()])))
    };
    let said = upload(&made.join(NAME)).fine();
    assert!(said.contains("uploaded to s3://artifacts/releases/9.8.7"), "{said}");
    let said = upload(&made.join(NAME)).fine();
    assert!(said.contains("it is in s3://artifacts/releases/9.8.7 already"), "{said}");
    let key = |name: &str| format!("releases/9.8.7/{name}");
    let head = cloud.aws(&["s3api", "head-object", "--bucket", "artifacts", "--key", &key(NAME)]);
    assert_eq!(head["ContentLength"], fs::metadata(made.join(NAME)).unwrap().len());

    // Another one under this name, though a whole release.
    let other = cloud.folder().join("other");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("SCHEMA"), "1\n").unwrap();
    let mut tar = cloud.command("tar");
    let _ = run(tar.arg("-czf").arg(other.join(NAME)).arg("-C").arg(&other).arg("./SCHEMA"));
    upload(&other.join(NAME)).refused(1, &["holds another release of this version"]);
    let still = cloud.aws(&["s3api", "head-object", "--bucket", "artifacts", "--key", &key(NAME)]);
    assert_eq!(still["ContentLength"], head["ContentLength"]);
}
