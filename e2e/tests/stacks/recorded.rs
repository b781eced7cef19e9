//! `deploy.sh` with an `aws` before the real one, which writes down what it is asked, and can fail.

use std::{fs, os::unix::fs::PermissionsExt as _};

use reelfleet_e2e::cloud::{Cloud, Said, deployment, run};

/// What the script said, and each call of AWS as a line. Calls with this word fail.
pub(crate) fn recorded(
    cloud: &Cloud,
    command: &str,
    environment: &str,
    words: &[&str],
    fails: Option<&str>,
) -> (Said, Vec<String>) {
    let real = deployment().join("../.tools/aws-templates/aws/bin/aws").canonicalize().unwrap();
    let (folder, record) = (cloud.folder().join("recorder"), cloud.folder().join("record"));
    fs::create_dir_all(&folder).unwrap();
    let _ = fs::remove_file(&record);
    let fails = fails.unwrap_or("no such word");
    let aws = folder.join("aws");
    let text = format!(
        "#!/bin/sh\nline=$(printf %s \"$*\" | tr '\\n' ' ')\nprintf '%s\\n' \"$line\" >>'{}'\ncase \" $* \" in *' {fails} '*) exit 1 ;; esac\nexec '{}' \"$@\"\n",
        record.display(),
        real.display(),
    );
    fs::write(&aws, text).unwrap();
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).unwrap();
    let mut script = cloud.script(command, environment);
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display());
    let said = Said::of(&run(script.env("PATH", path).args(words)));
    let calls = fs::read_to_string(&record).unwrap_or_default();
    (said, calls.lines().map(str::to_owned).collect())
}

/// What CloudFormation was told of alarms that take an update back, for each change set.
pub(crate) fn rollbacks(calls: &[String]) -> Vec<serde_json::Value> {
    let sets = calls.iter().filter(|call| call.contains(" create-change-set "));
    let rollback = |call: &String| {
        let (_, rest) = call.split_once("--rollback-configuration ")?;
        serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()
    };
    sets.map(|call| rollback(call).unwrap_or_default()).collect()
}
