//! What a role says, on its way from the journal to a file that does not grow for ever.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use reelfleet_e2e::{cloud::run, wait_for};

use crate::machine::Machine;

/// A machine that is busy with other things needs its time.
const SOON: Duration = Duration::from_secs(60);

/// Lines that are said at once.
const BURST: usize = 20;

/// The file is set aside when it has as much as three bursts.
const MOST: u64 = 3 * BURST as u64 * LINE;
const LINE: u64 = "line 1234 of a worker's log\n".len() as u64;

/// Started in the machine's root, and ended with it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(machine: &Machine, words: &[&str]) -> Process {
    let mut command = machine.command();
    Process(command.args(words).stdin(Stdio::null()).spawn().unwrap())
}

/// The script, which looks ten times a second.
fn writer(machine: &Machine) -> Process {
    // The real journalctl.
    let words = ["env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "/opt/reelfleet/instance/log.sh"];
    start(
        machine,
        &[&words[..], &["worker", "/var/log/reelfleet", &MOST.to_string(), "0.1"]].concat(),
    )
}

/// As the unit of the worker would: systemd would add the unit to each line by itself.
fn say(machine: &Machine, lines: std::ops::RangeInclusive<usize>) {
    let entry = |line| {
        format!(
            "MESSAGE=line {line:04} of a worker's log\nOBJECT_SYSTEMD_UNIT=reelfleet-worker.service\n\n"
        )
    };
    let text: String = lines.map(entry).collect();
    fs::write(machine.root.join("said"), text).unwrap();
    // One entry a call.
    let script = "while IFS= read -r message && IFS= read -r unit && read -r _; do printf '%s\\n%s\\n\\n' \"$message\" \"$unit\" | logger --journald; done </said";
    let output = run(machine.command().args(["bash", "-c", script]));
    assert!(output.status.success(), "{output:?}");
}

/// Reads as the agent does: to the end of what it has open, and then what has its name now.
struct Reader {
    path: PathBuf,
    open: Option<File>,
    text: String,
}

impl Reader {
    fn look(&mut self) {
        let mut take = |file: &mut File| file.read_to_string(&mut self.text).unwrap();
        if let Some(file) = &mut self.open {
            take(file);
            let now = fs::metadata(&self.path).map(|data| data.ino()).ok();
            if now == Some(file.metadata().unwrap().ino()) {
                return;
            }
            take(file);
        }
        self.open = File::open(&self.path).ok();
        if let Some(file) = &mut self.open {
            take(file);
        }
    }
}

#[test]
fn the_log_becomes_a_file_line_by_line_and_neither_it_nor_its_folder_grows_for_ever() {
    let machine = Machine::fresh("http://127.0.0.1:1", "require");
    for folder in ["var/log/journal", "var/log/reelfleet", "run/log/journal"] {
        fs::create_dir_all(machine.root.join(folder)).unwrap();
    }
    fs::write(machine.root.join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
    // It wants to know of control groups.
    let journald = ["--ro-bind", "/sys", "/sys", "/lib/systemd/systemd-journald"];
    let _journal = start(&machine, &journald);
    wait_for("the journal", SOON, || {
        machine.root.join("run/systemd/journal/socket").exists().then_some(())
    });
    let folder = machine.root.join("var/log/reelfleet");
    let mut reader = Reader { path: folder.join("service.log"), open: None, text: String::new() };
    let mut script = writer(&machine);
    let mut aside = 0;
    for burst in 0..20 {
        let (first, last) = (burst * BURST + 1, (burst + 1) * BURST);
        if burst == 7 {
            // A restart of it neither loses a line nor says one twice, once it has noted how far it is.
            let changed =
                |file: &str| fs::metadata(folder.join(file)).and_then(|data| data.modified());
            wait_for("the note", SOON, || {
                (changed("cursor").ok()? >= changed("service.log").ok()?).then_some(())
            });
            drop(script);
            script = writer(&machine);
        }
        say(&machine, first..=last);
        wait_for("the reader to see them", SOON, || {
            reader.look();
            (reader.text.lines().count() >= last).then_some(())
        });
        let kept: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(Result::unwrap)
            .filter(|entry| entry.file_name() != "cursor")
            .collect();
        let bytes: u64 = kept.iter().map(|entry| entry.metadata().unwrap().len()).sum();
        assert!(kept.len() <= 2, "{kept:?}");
        assert!(bytes <= 2 * (MOST + BURST as u64 * LINE), "{bytes} bytes in {kept:?}");
        aside = aside.max(kept.len());
    }
    let wanted: String =
        (1..=20 * BURST).map(|line| format!("line {line:04} of a worker's log\n")).collect();
    assert_eq!(reader.text, wanted);
    assert_eq!(aside, 2, "it was never set aside");
}
