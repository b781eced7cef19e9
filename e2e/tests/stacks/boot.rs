//! An instance's first minute, with the real secrets service of an emulator.

use std::{fs, os::unix::fs::MetadataExt as _};

use reelfleet_e2e::cloud::{Said, run};
use reelfleet_servers::Ministack;

use crate::machine::Machine;

const JWT: &str = "hunter2-0123456789abcdef0123456789abcdef";

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
    assert!(!settings.contains("DRAIN_UPLOADS_SECONDS"), "{settings}");
    assert_eq!(mode, 0o600);
    // systemd waits for longer than the drain.
    let stop = machine.text("etc/systemd/system/reelfleet-worker.service.d/stop.conf");
    assert_eq!(stop, "[Service]\nTimeoutStopSec=980\n");

    // The journal does not fill the disk, and hears of it.
    let journal = machine.text("etc/systemd/journald.conf.d/reelfleet.conf");
    assert_eq!(journal, "[Journal]\nSystemMaxUse=200M\n");
    assert!(machine.text("record").contains("systemctl try-restart systemd-journald"));

    let signal = "signal --exit-code 0 --reason the worker is up --stack film-06-workers-autoscaling --resource Group --region us-east-1";
    assert_eq!(machine.signals(), [signal]);
    assert_eq!(machine.recorded("shutdown"), Vec::<String>::new());
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
    // The API cuts uploads before the load balancer does, and systemd waits for the API.
    let (settings, _) = machine.guarded("etc/reelfleet/service.env");
    assert!(settings.lines().any(|line| line == "DRAIN_UPLOADS_SECONDS=290"), "{settings}");
    let stop = machine.text("etc/systemd/system/reelfleet-api.service.d/stop.conf");
    assert_eq!(stop, "[Service]\nTimeoutStopSec=350\n");
}

/// Else it would be one of the group's instances for ever, of no use to anybody.
#[test]
fn a_machine_whose_boot_failed_says_so_and_then_shuts_itself_down() {
    for role in ["api", "worker"] {
        let machine = Machine::fresh("http://127.0.0.1:1", "require");
        machine.boot(role, 1).refused(1, &["failed: it is not up after 1 s"]);
        let said = machine.text("record");
        let said: Vec<_> = said.lines().filter(|line| !line.starts_with("systemctl")).collect();
        assert!(said[0].starts_with("signal --exit-code 1"), "{said:?}");
        assert_eq!(said[1..], [format!("shutdown -h +10 the boot of the {role} failed")]);
    }
    // Without its settings it cannot tell anybody.
    let machine = Machine::fresh("http://127.0.0.1:1", "require");
    let mut boot = machine.command();
    boot.args(["/opt/reelfleet/instance/boot.sh", "worker"]);
    fs::remove_file(machine.root.join("etc/reelfleet/stack.env")).unwrap();
    Said::of(&run(&mut boot)).refused(1, &["there is no /etc/reelfleet/stack.env"]);
    assert_eq!(machine.recorded("shutdown").len(), 1);
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
