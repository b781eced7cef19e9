//! What docker-compose.yml promises, as far as it can be held without Docker.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use reelfleet_e2e::settings;
use reelfleet_job::{Kind, Lane};
use serde_json::{Map, Value};

/// Services that do one thing and end.
const ONE_SHOT: [&str; 3] = ["secrets", "migrate", "aws-prepare"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The services, with what they take from anchors.
fn services() -> Map<String, Value> {
    let file: Value = serde_saphyr::from_str(&read("docker-compose.yml")).unwrap();
    let services = file["services"].as_object().unwrap().clone();
    // Else the parser would have left the anchors where they are, and the tests look at nothing.
    assert!(services["worker"]["cap_drop"].is_array());
    services
}

/// The names in `.env.example`.
fn variables() -> BTreeSet<String> {
    let names = settings::known();
    assert!(names.contains("DATABASE_URL"));
    names
}

fn is_ours(service: &Value) -> bool {
    service["image"].as_str().unwrap().starts_with("reelfleet:")
}

fn seconds(value: &Value) -> u64 {
    value.as_str().unwrap().strip_suffix('s').unwrap().parse().unwrap()
}

#[test]
fn it_sets_for_our_processes_only_what_they_read() {
    let variables = variables();
    let mut seen = 0;
    for (name, service) in services().iter().filter(|(_, service)| is_ours(service)) {
        for variable in service["environment"].as_object().into_iter().flat_map(Map::keys) {
            let read = variables.contains(variable.strip_suffix("_FILE").unwrap_or(variable));
            assert!(read, "{name} sets {variable}, which nothing reads");
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn it_takes_from_dot_env_only_what_the_example_lists() {
    let text = read("docker-compose.yml");
    let variables = variables();
    let references: Vec<&str> =
        text.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap()).collect();
    assert!(references.contains(&"QUEUE_TYPE"));
    for name in references {
        assert!(variables.contains(name), "${{{name}}} is not in .env.example");
    }
}

#[test]
fn every_service_is_restarted_and_watched_or_ends_by_itself() {
    let services = services();
    for (name, service) in &services {
        let health = &service["healthcheck"];
        if ONE_SHOT.contains(&name.as_str()) {
            assert_eq!(service["restart"], "no", "{name}");
            assert_eq!(health["disable"], true, "{name}");
        } else {
            assert_eq!(service["restart"], "unless-stopped", "{name}");
            // A worker listens nowhere: the relay watches it by its leases.
            assert_eq!(health["test"].is_string(), name != "worker", "{name}");
        }
        assert!(service["logging"]["options"]["max-size"].is_string(), "{name} logs without end");
    }
}

#[test]
fn every_image_is_pinned_to_a_version() {
    let mut images: Vec<String> =
        services().values().map(|service| service["image"].as_str().unwrap().to_owned()).collect();
    for file in ["Dockerfile", "tools/compose/aws/Dockerfile"] {
        let text = read(file);
        let bases = text.lines().filter_map(|line| line.strip_prefix("FROM "));
        images.extend(bases.map(|line| line.split(' ').next().unwrap().to_owned()));
    }
    assert!(images.len() > 8);
    for image in images {
        let tag = image.split_once(':').map_or("", |(_, tag)| tag);
        let numbered = tag.starts_with(|first: char| first.is_ascii_digit());
        assert!(numbered || tag.starts_with("bookworm"), "{image} may become anything");
    }
}

#[test]
fn no_secret_is_the_same_everywhere() {
    let text = read("docker-compose.yml");
    assert!(!text.contains("JWT_SECRET:-") && !text.contains("PASSWORD:-"));
    for (name, service) in services() {
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            let secret = ["SECRET", "PASSWORD", "PASS", "TOKEN", "DATABASE_URL", "RABBITMQ_URL"];
            let given = secret.iter().any(|end| variable.ends_with(end)) && value != "";
            assert!(!given, "{name}: {variable} is known to everybody");
        }
    }
}

#[test]
fn a_worker_has_the_time_to_drain_and_may_not_sign() {
    let services = services();
    let example = read(".env.example");
    let default = |name: &str| -> u64 {
        let line = format!("# {name}=");
        example.lines().find_map(|text| text.strip_prefix(&line)).unwrap().parse().unwrap()
    };
    // Workers hand back within 8 s.
    let worker = &services["worker"];
    assert!(seconds(&worker["stop_grace_period"]) > default("DRAIN_SECONDS") + 8);
    assert!(seconds(&services["api"]["stop_grace_period"]) > default("DRAIN_UPLOADS_SECONDS"));
    assert_eq!(worker["environment"]["JWT_SECRET"], "");
    assert!(!worker["volumes"].to_string().contains("signing"));
    assert!(services["api"]["volumes"].to_string().contains("signing"));
}

#[test]
fn the_filter_of_a_workers_calls_leaves_those_of_bubblewrap() {
    let services = services();
    let options = services["worker"]["security_opt"].as_array().unwrap();
    let path = options.iter().find_map(|option| option.as_str()?.strip_prefix("seccomp=")).unwrap();
    let profile: Value = serde_json::from_str(&read(path)).unwrap();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ALLOW");
    let rules = profile["syscalls"].as_array().unwrap();
    assert!(rules.iter().all(|rule| rule["action"] == "SCMP_ACT_ERRNO"));
    let names = rules.iter().flat_map(|rule| rule["names"].as_array().unwrap());
    let refused: BTreeSet<_> = names.map(|name| name.as_str().unwrap()).collect();
    for call in ["clone", "clone3", "mount", "umount2", "pivot_root", "prctl"] {
        assert!(!refused.contains(call), "{call}");
    }
    for call in ["setns", "unshare", "bpf", "ptrace", "keyctl", "init_module", "io_uring_setup"] {
        assert!(refused.contains(call), "{call}");
    }
}

#[test]
fn the_emulator_is_that_of_the_tests_and_has_every_lane() {
    let image = read("tools/compose/aws/Dockerfile");
    let tests = read("tools/aws-emulator");
    let pins = |text: &str| -> BTreeSet<String> {
        text.split_whitespace().filter(|word| word.contains("==")).map(str::to_owned).collect()
    };
    assert_eq!(pins(&image), pins(&tests));
    assert!(!pins(&image).is_empty());
    let script = read("tools/compose/aws/prepare.py");
    for lane in Kind::ALL.into_iter().flat_map(Lane::of) {
        assert!(script.contains(&format!("\"{lane}\"")), "prepare.py makes no queue for {lane}");
    }
}

#[test]
fn the_image_is_built_of_the_whole_workspace() {
    let root = root().canonicalize().unwrap();
    let let_in = read(".dockerignore");
    for package in reelfleet_e2e::packages() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let folder = manifest.strip_prefix(&root).unwrap();
        let top = folder.iter().next().unwrap().display();
        let line = format!("!{top}");
        assert!(let_in.lines().any(|text| text == line), "{top} is kept out by .dockerignore");
    }
}
