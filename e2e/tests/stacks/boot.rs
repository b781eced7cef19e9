//! An instance's first minute: the real scripts in a root of their own, with the real secrets
//! service of an emulator. Only what is systemd's, the group's and the kernel's is stood in for.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use reelfleet_e2e::cloud::{Cloud, Said, deployment, run};
use reelfleet_servers::Ministack;

/// It starts the role as its unit says: the secrets, as root, and then the role, which says that it
/// is up if they are there.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "systemctl $*" >>/record
case "$*" in
    "start --no-block reelfleet-api" | "start --no-block reelfleet-worker")
        role=${3#reelfleet-}
        if /opt/reelfleet/instance/secrets.sh "$role" >>/journal 2>&1; then
            echo '{"message":"worker 1 takes jobs"}' >>/journal
            touch /var/lib/reelfleet/up
        fi ;;
    is-active*) test -e /var/lib/reelfleet/up ;;
esac
"#;
const JOURNALCTL: &str = "#!/bin/sh\ncat /journal 2>/dev/null\n";
const SIGNAL: &str = "#!/bin/sh\necho \"signal $*\" >>/record\n";
/// The executable, as far as a boot asks it.
const REELFLEET: &str = "#!/bin/sh\ntest \"$*\" = 'healthcheck --url http://127.0.0.1:8080' && test -e /var/lib/reelfleet/up\n";

const SETTINGS: &str = "\
BOOT_STACK=film-06-workers-autoscaling
BOOT_RESOURCE=Group
BOOT_LOG_GROUP=/reelfleet/film/worker
BOOT_DB_SECRET=film/db
BOOT_DB_HOST=db.example.org
BOOT_DB_PORT=5432
BOOT_DB_NAME=reelfleet
BOOT_JWT_SECRET=film/jwt
AWS_REGION=us-east-1
QUEUE_TYPE=sqs
DRAIN_SECONDS=900
WORKER_CONCURRENCY=
";

const JWT: &str = "hunter2-0123456789abcdef0123456789abcdef";

/// A fresh machine, as a folder.
struct Machine {
    cloud: Cloud,
    endpoint: String,
    root: PathBuf,
}

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Machine {
    fn fresh(endpoint: &str, ssl_mode: &str) -> Self {
        let cloud = Cloud::at(endpoint);
        let root = cloud.folder().join("root");
        for folder in ["etc/reelfleet", "etc/systemd/system", "run", "var/lib/reelfleet"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            "passwd",
            "group",
            "shadow",
            "gshadow",
            "login.defs",
            "nsswitch.conf",
            "hosts",
            "ld.so.cache",
        ] {
            let _ = fs::copy(Path::new("/etc").join(file), root.join("etc").join(file));
        }
        let bundle = root.join("opt/reelfleet");
        for file in fs::read_dir(deployment().join("instance")).unwrap().map(Result::unwrap) {
            fs::create_dir_all(bundle.join("instance")).unwrap();
            fs::copy(file.path(), bundle.join("instance").join(file.file_name())).unwrap();
        }
        script(&bundle.join("bin/reelfleet"), REELFLEET);
        fs::write(bundle.join("VERSION"), "1.0.0\n").unwrap();
        script(&root.join("opt/aws/bin/cfn-signal"), SIGNAL);
        script(&root.join("stand-ins/systemctl"), SYSTEMCTL);
        script(&root.join("stand-ins/journalctl"), JOURNALCTL);
        let settings = format!("{SETTINGS}DB_SSL_MODE={ssl_mode}\n");
        fs::write(root.join("etc/reelfleet/stack.env"), settings).unwrap();
        Self { cloud, endpoint: endpoint.to_owned(), root }
    }

    fn secret(&self, name: &str, text: &str) {
        let words = ["secretsmanager", "create-secret", "--name", name, "--secret-string", text];
        let _ = self.cloud.aws(&words);
    }

    /// A command on this machine: its own `/etc`, `/opt`, `/run`, and the programs of this one.
    fn command(&self) -> Command {
        let mut bwrap = self.cloud.command("bwrap");
        bwrap.arg("--bind").arg(&self.root).arg("/");
        let own = ["etc", "opt", "run", "var", "tmp", "proc", "dev", "sys"];
        for entry in fs::read_dir("/").unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name());
            match fs::read_link(&path) {
                _ if own.iter().any(|own| name == *own) => {}
                Ok(target) => {
                    let _ = std::os::unix::fs::symlink(target, self.root.join(name));
                }
                Err(_) => {
                    bwrap.arg("--ro-bind").arg(&path).arg(&path);
                }
            }
        }
        bwrap.args(["--ro-bind-try", "/etc/alternatives", "/etc/alternatives"]);
        bwrap.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--die-with-parent"]);
        // The aws command is beside the sources, wherever those are.
        let tools = deployment().join("../.tools").canonicalize().unwrap();
        bwrap.arg("--ro-bind").arg(&tools).arg(&tools);
        let path = format!(
            "/stand-ins:{}/aws-templates/aws/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            tools.display()
        );
        bwrap.args(["--setenv", "PATH", &path, "--setenv", "HOME", "/tmp"]);
        bwrap.args(["--setenv", "AWS_ENDPOINT_URL", &self.endpoint]);
        bwrap
    }

    fn boot(&self, role: &str, patience_s: u32) -> Said {
        let mut command = self.command();
        command.args(["--setenv", "BOOT_PATIENCE_SECONDS", &patience_s.to_string()]);
        Said::of(&run(command.args(["/opt/reelfleet/instance/boot.sh", role])))
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }

    /// Contents, and who may read them.
    fn guarded(&self, path: &str) -> (String, u32) {
        let mode = fs::metadata(self.root.join(path)).unwrap().permissions().mode() & 0o777;
        (self.text(path), mode)
    }

    fn signals(&self) -> Vec<String> {
        let record = self.text("record");
        record.lines().filter(|line| line.starts_with("signal")).map(str::to_owned).collect()
    }
}

#[test]
fn a_worker_boots_with_its_secrets_in_memory_and_signals_once() {
    let emulator = Ministack::start();
    let machine = Machine::fresh(&emulator.endpoint(), "require");
    machine.secret("film/db", r#"{"username": "reel@fleet", "password": "hunter2/+%"}"#);
    let said = machine.boot("worker", 60).fine();

    let url = "postgres://reel%40fleet:hunter2%2F%2B%25@db.example.org:5432/reelfleet";
    assert_eq!(machine.guarded("run/reelfleet/database_url"), (url.to_owned(), 0o400));
    let owner = fs::metadata(machine.root.join("run/reelfleet/database_url")).unwrap().uid();
    let account = machine
        .text("etc/passwd")
        .lines()
        .find(|line| line.starts_with("reelfleet:"))
        .map(str::to_owned);
    assert_eq!(account.unwrap().split(':').nth(2).unwrap(), owner.to_string());
    assert!(owner != 0);
    // A worker runs ffmpeg on what strangers uploaded: it has no key to sign sessions with.
    assert!(!machine.root.join("run/reelfleet/jwt_secret").exists());

    let (settings, mode) = machine.guarded("etc/reelfleet/service.env");
    assert!(settings.contains("QUEUE_TYPE=sqs") && !settings.contains("BOOT_"), "{settings}");
    assert_eq!(mode, 0o600);
    // systemd waits for longer than the drain.
    let stop = machine.text("etc/systemd/system/reelfleet-worker.service.d/stop.conf");
    assert_eq!(stop, "[Service]\nTimeoutStopSec=980\n");

    let signal = "signal --exit-code 0 --reason the worker is up --stack film-06-workers-autoscaling --resource Group --region us-east-1";
    assert_eq!(machine.signals(), [signal]);
    let record = machine.text("record");
    assert!(record.contains("systemctl enable --quiet reelfleet-worker"), "{record}");
    let (signalled, agent) =
        (record.find(signal), record.find("systemctl start --no-block reelfleet-journal@worker"));
    assert!(signalled < agent, "nobody waits for the agent of the logs: {record}");
    for text in [said, record, machine.text("journal"), settings] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn an_api_boots_with_the_key_of_its_sessions_and_checks_its_database() {
    let emulator = Ministack::start();
    let machine = Machine::fresh(&emulator.endpoint(), "verify-full");
    machine.secret("film/db", r#"{"username": "reelfleet", "password": "hunter2"}"#);
    machine.secret("film/jwt", JWT);

    // A release without the authorities of RDS cannot keep what the setting promises.
    let said = machine.boot("api", 2);
    said.refused(1, &["failed: it is not up after 2 s", "carries no authorities of RDS"]);
    assert!(machine.signals()[0].contains("--exit-code 1") && machine.signals().len() == 1);

    fs::create_dir_all(machine.root.join("opt/reelfleet/share")).unwrap();
    fs::write(machine.root.join("opt/reelfleet/share/rds-ca.pem"), "authorities").unwrap();
    let _ = machine.boot("api", 60).fine();
    let url = machine.text("run/reelfleet/database_url");
    assert!(url.ends_with("/reelfleet?sslrootcert=/opt/reelfleet/share/rds-ca.pem"), "{url}");
    assert_eq!(machine.guarded("run/reelfleet/jwt_secret"), (format!("{JWT}\n"), 0o400));
    assert!(machine.signals()[1].contains("--exit-code 0"));
}

#[test]
fn a_boot_without_its_secret_is_reported_once_and_a_restart_keeps_the_last_one() {
    let emulator = Ministack::start();
    let machine = Machine::fresh(&emulator.endpoint(), "require");
    let said = machine.boot("worker", 2);
    said.refused(1, &["the secret for database_url cannot be fetched"]);
    assert_eq!(machine.signals().len(), 1);
    assert!(machine.signals()[0].contains("--exit-code 1 --reason boot of the worker failed"));

    machine.secret("film/db", r#"{"username": "a", "password": "b"}"#);
    let secrets =
        || Said::of(&run(machine.command().args(["/opt/reelfleet/instance/secrets.sh", "worker"])));
    let _ = secrets().fine();
    let url = machine.text("run/reelfleet/database_url");
    drop(emulator);
    // Secrets Manager is away: the role starts again all the same.
    assert!(secrets().fine().contains("the last one is used"));
    assert_eq!(machine.text("run/reelfleet/database_url"), url);
}

#[test]
fn systemd_understands_the_units() {
    let machine = Machine::fresh("http://127.0.0.1:1", "require");
    for (unit, shown) in [
        ("reelfleet-api.service", "reelfleet-api.service"),
        ("reelfleet-worker.service", "reelfleet-worker.service"),
        ("reelfleet-agent.service", "reelfleet-agent.service"),
        ("reelfleet-journal@.service", "reelfleet-journal@worker.service"),
    ] {
        let text = machine.text(&format!("opt/reelfleet/instance/{unit}"));
        fs::write(machine.root.join("etc/systemd/system").join(shown), text).unwrap();
        let mut verify = machine.command();
        verify.args([
            "systemd-analyze",
            "verify",
            "--man=no",
            &format!("/etc/systemd/system/{shown}"),
        ]);
        let said = Said::of(&run(&mut verify));
        assert_eq!((said.code, said.text.as_str()), (Some(0), ""), "{unit}");
    }
}
